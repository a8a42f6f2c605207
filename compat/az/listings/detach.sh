az ml computetarget detach -n myaks -g myresourcegroup -w myworkspace
