az aks get-versions -l westus -o table
