package golang

import (
	"context"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/to"
	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"
)

// assets registers an environment, lists it, and asks for the datastore of the workspace.
func (a *azure) assets(t *testing.T, ctx context.Context) {
	const conda = "dependencies: [python=3.11, {pip: [numpy]}]"
	asked := armmachinelearning.EnvironmentVersion{Properties: &armmachinelearning.EnvironmentVersionProperties{
		Image: to.Ptr("mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04"), CondaFile: to.Ptr(conda), Description: to.Ptr("by Go")}}
	for range 2 { // the same again changes nothing
		_, err := a.environments.CreateOrUpdate(ctx, group, workspace, "bygo", "3", asked, nil)
		must(t, err)
	}
	got, err := a.environments.Get(ctx, group, workspace, "bygo", "3", nil)
	must(t, err)
	if p := got.Properties; *p.CondaFile != conda || *p.Description != "by Go" {
		t.Errorf("%+v", *p)
	}
	asked.Properties.CondaFile = nil
	if _, err := a.environments.CreateOrUpdate(ctx, group, workspace, "bygo", "3", asked, nil); status(err) != 409 {
		t.Errorf("another environment under the same version: %v", err)
	}
	var versions []string
	for pager := a.environments.NewListPager(group, workspace, "bygo", nil); pager.More(); {
		page, err := pager.NextPage(ctx)
		must(t, err)
		for _, v := range page.Value {
			versions = append(versions, *v.Name)
		}
	}
	if len(versions) != 1 || versions[0] != "3" {
		t.Errorf("%v", versions)
	}
	secrets, err := a.datastores.ListSecrets(ctx, group, workspace, "workspaceblobstore", nil)
	must(t, err)
	if sas, is := secrets.DatastoreSecretsClassification.(*armmachinelearning.SasDatastoreSecrets); !is || sas.SasToken == nil {
		t.Errorf("%T", secrets.DatastoreSecretsClassification)
	}
	_, err = a.environments.Delete(ctx, group, workspace, "bygo", "3", nil)
	must(t, err)
}
