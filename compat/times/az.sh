# What a user of az waits for: sign in, make a cluster of one node.
set -e
az login --service-principal -u "$AZURE_CLIENT_ID" -p "$AZURE_CLIENT_SECRET" --tenant "$AZURE_TENANT_ID" -o none
az aks create -g myresourcegroup -n timed --node-count 1 --no-ssh-key -o none
