az aks get-versions -l westus --query "orchestrators[?default == `true`].orchestratorVersion" -o table
