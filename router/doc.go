// Package router is berth-fe: the address of all models that are deployed to one cluster. It takes requests in, checks their key
// or token, finds the least busy replica of the model and passes them on; it queues what no replica can take yet, and adds
// replicas where the load asks for it. What it must know comes from outside (package watch) and is kept: it goes on while the
// API server and Berth are away.
package router
