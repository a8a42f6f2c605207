az aks show -n myexistingcluster -g myresourcegroup --query id
