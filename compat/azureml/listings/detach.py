aks_target.detach()
