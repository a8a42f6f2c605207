// Command create is what a user of the Azure SDK for Go waits for: sign in, make an AksCompute of one node.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/arm"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

func main() {
	if err := create(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func create(ctx context.Context) error {
	at := os.Getenv("AZURE_AUTHORITY_HOST")
	o := azcore.ClientOptions{Cloud: cloud.Configuration{ActiveDirectoryAuthorityHost: at,
		Services: map[cloud.ServiceName]cloud.ServiceConfiguration{
			cloud.ResourceManager: {Endpoint: at, Audience: at},
		}}}
	credential, err := azidentity.NewClientSecretCredential(os.Getenv("AZURE_TENANT_ID"), os.Getenv("AZURE_CLIENT_ID"),
		os.Getenv("AZURE_CLIENT_SECRET"),
		&azidentity.ClientSecretCredentialOptions{ClientOptions: o, DisableInstanceDiscovery: true})
	if err != nil {
		return err
	}
	computes, err := armmachinelearning.NewComputeClient(os.Getenv("AZURE_SUBSCRIPTION_ID"), credential, &arm.ClientOptions{ClientOptions: o})
	if err != nil {
		return err
	}
	p, err := computes.BeginCreateOrUpdate(ctx, "myresourcegroup", "myworkspace", "timed",
		armmachinelearning.ComputeResource{Location: to.Ptr("westus"), Properties: &armmachinelearning.AKS{
			ComputeType: to.Ptr(armmachinelearning.ComputeTypeAKS),
			Properties: &armmachinelearning.AKSSchemaProperties{AgentCount: to.Ptr[int32](1),
				ClusterPurpose: to.Ptr(armmachinelearning.ClusterPurposeDevTest)},
		}}, nil)
	if err != nil {
		return err
	}
	_, err = p.PollUntilDone(ctx, nil)
	return err
}
