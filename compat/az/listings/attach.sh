az ml computetarget attach aks -n myaks -i aksresourceid -g myresourcegroup -w myworkspace
