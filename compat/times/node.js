"use strict";
// What a user of the JavaScript SDK waits for: sign in, make an AksCompute of one node.
const { ClientSecretCredential } = require("@azure/identity");
const { AzureMachineLearningWorkspaces } = require("@azure/arm-machinelearning");

const e = process.env;
const credential = new ClientSecretCredential(e.AZURE_TENANT_ID, e.AZURE_CLIENT_ID, e.AZURE_CLIENT_SECRET, { authorityHost: e.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true });
const ml = new AzureMachineLearningWorkspaces(credential, e.AZURE_SUBSCRIPTION_ID, { endpoint: e.AZURE_AUTHORITY_HOST });
ml.computeOperations
  .beginCreateOrUpdateAndWait("myresourcegroup", "myworkspace", "timed", {
    location: "westus", properties: { computeType: "AKS", properties: { agentCount: 1, clusterPurpose: "DevTest" } },
  })
  .then((made) => process.exit(made.properties.provisioningState === "Succeeded" ? 0 : 1));
