"use strict";
const assert = require("node:assert");
const { execFileSync } = require("node:child_process");
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const { ClientCertificateCredential, ClientSecretCredential } = require("@azure/identity");
const { AzureMachineLearningWorkspaces } = require("@azure/arm-machinelearning");
const { ContainerServiceClient } = require("@azure/arm-containerservice");
const { operation } = require("./operation.js");

const e = process.env;
const group = "myresourcegroup", workspace = "myworkspace";
const sign = (secret) =>
  new ClientSecretCredential(e.AZURE_TENANT_ID, e.AZURE_CLIENT_ID, secret, { authorityHost: e.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true });
const credential = sign(e.AZURE_CLIENT_SECRET);
const ml = new AzureMachineLearningWorkspaces(credential, e.AZURE_SUBSCRIPTION_ID, { endpoint: e.AZURE_AUTHORITY_HOST });
const aks = new ContainerServiceClient(credential, e.AZURE_SUBSCRIPTION_ID, { endpoint: e.AZURE_AUTHORITY_HOST });
const folder = fs.mkdtempSync(path.join(os.tmpdir(), "berth-node-"));
process.on("exit", () => fs.rmSync(folder, { recursive: true }));
const berth = (...args) => execFileSync("berth", args, { encoding: "utf8" });

const all = async (pages) => {
  const out = [];
  for await (const one of pages) out.push(one);
  return out;
};

operation("workspaces.createOrUpdate, get", async () => {
  berth("group", "create", "-n", group, "-l", "westus");
  await ml.workspaces.beginCreateOrUpdateAndWait(group, workspace, { location: "westus" });
  assert.strictEqual((await ml.workspaces.get(group, workspace)).location, "westus");
});

operation("computeOperations.createOrUpdate (AKS): create", async () => {
  const made = await ml.computeOperations.beginCreateOrUpdateAndWait(group, workspace, "made", {
    location: "westus", properties: { computeType: "AKS", properties: { agentCount: 1, agentVmSize: "Standard_D3_v2", clusterPurpose: "DevTest" } },
  });
  assert.strictEqual(made.properties.provisioningState, "Succeeded");
});

operation("computeOperations.get, list, listKeys", async () => {
  assert.strictEqual((await ml.computeOperations.get(group, workspace, "made")).properties.properties.agentCount, 1);
  assert.deepStrictEqual((await all(ml.computeOperations.list(group, workspace))).map((c) => c.name), ["made"]);
  assert.match((await ml.computeOperations.listKeys(group, workspace, "made")).adminKubeConfig, /client-key-data/);
});

operation("computeOperations.delete (Delete)", async () => {
  await ml.computeOperations.beginDeleteAndWait(group, workspace, "made", "Delete");
  assert.deepStrictEqual(await all(ml.computeOperations.list(group, workspace)), []);
});

operation("managedClusters.createOrUpdate, get, list, listByResourceGroup", async () => {
  const made = await aks.managedClusters.beginCreateOrUpdateAndWait(group, "mine", {
    location: "westus", dnsPrefix: "mine", agentPoolProfiles: [{ name: "nodepool1", count: 1, vmSize: "Standard_D3_v2", mode: "System" }],
  });
  assert.strictEqual(made.provisioningState, "Succeeded");
  assert.strictEqual((await aks.managedClusters.get(group, "mine")).name, "mine");
  assert.ok((await all(aks.managedClusters.list())).some((c) => c.name === "mine"));
  assert.deepStrictEqual((await all(aks.managedClusters.listByResourceGroup(group))).map((c) => c.name), ["mine"]);
});

operation("managedClusters.listClusterUserCredentials, listClusterAdminCredentials: kubectl works with them", async () => {
  for (const list of ["listClusterUserCredentials", "listClusterAdminCredentials"]) {
    const { kubeconfigs } = await aks.managedClusters[list](group, "mine");
    const file = path.join(folder, list);
    fs.writeFileSync(file, Buffer.from(kubeconfigs[0].value), { mode: 0o600 });
    const nodes = JSON.parse(execFileSync("kubectl", ["--kubeconfig", file, "get", "nodes", "-o", "json"], { encoding: "utf8" }));
    assert.strictEqual(nodes.items.length, 1);
  }
});

operation("managedClusters.listKubernetesVersions", async () => {
  const { values } = await aks.managedClusters.listKubernetesVersions("westus");
  assert.deepStrictEqual(values.filter((v) => v.isDefault).map((v) => v.version), ["1.36"]);
});

operation("agentPools.list, get, createOrUpdate (scale)", async () => {
  assert.deepStrictEqual((await all(aks.agentPools.list(group, "mine"))).map((p) => p.count), [1]);
  const pool = await aks.agentPools.get(group, "mine", "nodepool1");
  await aks.agentPools.beginCreateOrUpdateAndWait(group, "mine", "nodepool1", { ...pool, count: 3 });
  assert.strictEqual((await aks.agentPools.get(group, "mine", "nodepool1")).count, 3);
});

operation("computeOperations.createOrUpdate (AKS): attach; a second attach is refused; delete (Detach)", async () => {
  const { id } = await aks.managedClusters.get(group, "mine");
  const attach = (name) => ml.computeOperations.beginCreateOrUpdateAndWait(group, workspace, name, {
    location: "westus", properties: { computeType: "AKS", resourceId: id, properties: { clusterPurpose: "DevTest" } },
  });
  assert.strictEqual((await attach("attached")).properties.isAttachedCompute, true);
  await assert.rejects(attach("again"), (err) => err.statusCode === 409 && /already attached/.test(err.message));
  await ml.computeOperations.beginDeleteAndWait(group, workspace, "attached", "Detach");
  assert.strictEqual((await aks.managedClusters.get(group, "mine")).provisioningState, "Succeeded");
});

operation("onlineEndpoints.createOrUpdate: refused on simulated nodes, and why; on real ones get, list, listKeys, delete", async () => {
  const attached = async (name) => {
    const { id } = await aks.managedClusters.get(group, name);
    return ml.computeOperations.beginCreateOrUpdateAndWait(group, workspace, name, {
      location: "westus", properties: { computeType: "Kubernetes", resourceId: id, properties: { namespace: "ml" } },
    });
  };
  const endpoint = (compute) => ml.onlineEndpoints.beginCreateOrUpdateAndWait(group, workspace, "colours", {
    location: "westus", properties: { authMode: "Key", compute: compute.id, description: "by Node" },
  });
  await assert.rejects(attached("mine").then(endpoint), /no model can run: they are simulated/);
  await aks.managedClusters.beginCreateOrUpdateAndWait(group, "edge", {
    location: "westus", dnsPrefix: "edge", tags: { "berth.dev/nodes": "real" },
    agentPoolProfiles: [{ name: "nodepool1", count: 1, vmSize: "Standard_D3_v2", mode: "System" }],
  });
  const made = await attached("edge").then(endpoint);
  assert.strictEqual(made.properties.provisioningState, "Succeeded");
  assert.match(made.properties.scoringUri, /\/api\/v1\/endpoint\/colours\/score$/);
  assert.strictEqual((await ml.onlineEndpoints.get(group, workspace, "colours")).properties.description, "by Node");
  assert.deepStrictEqual((await all(ml.onlineEndpoints.list(group, workspace))).map((x) => x.name), ["colours"]);
  assert.ok((await ml.onlineEndpoints.listKeys(group, workspace, "colours")).primaryKey);
  await ml.onlineEndpoints.beginDeleteAndWait(group, workspace, "colours");
  for (const name of ["mine", "edge"]) await ml.computeOperations.beginDeleteAndWait(group, workspace, name, "Detach");
  await aks.managedClusters.beginDeleteAndWait(group, "edge");
});

operation("managedClusters.delete", async () => {
  await aks.managedClusters.beginDeleteAndWait(group, "mine");
  await assert.rejects(aks.managedClusters.get(group, "mine"), (err) => err.statusCode === 404 && err.code === "ResourceNotFound");
});

operation("reports a wrong secret", async () => {
  await assert.rejects(sign("not-the-secret").getToken(e.AZURE_AUTHORITY_HOST + "/.default"), /AADSTS7000215/);
});

operation("ClientCertificateCredential: a sign-in with a certificate", async () => {
  const made = JSON.parse(execFileSync("berth", ["ad", "sp", "create-for-rbac", "-n", "by-certificate", "--create-cert"], { encoding: "utf8", cwd: folder, stdio: ["ignore", "pipe", "ignore"] }));
  const proof = new ClientCertificateCredential(made.tenant, made.appId, made.fileWithCertAndPrivateKey, { authorityHost: e.AZURE_AUTHORITY_HOST, disableInstanceDiscovery: true });
  for (const scope of ["/.default", "//.default"]) assert.ok((await proof.getToken(e.AZURE_AUTHORITY_HOST + scope)).token); // two tokens, and MSAL signs once
});
