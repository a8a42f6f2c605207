package main

import "k8s.io/client-go/tools/cache"

// changes tells when anything that the informers watch has changed. note tells it without a change.
func changes(informers ...cache.SharedIndexInformer) (changed <-chan struct{}, note func(), err error) {
	told := make(chan struct{}, 1)
	note = func() {
		select {
		case told <- struct{}{}:
		default:
		}
	}
	handler := cache.ResourceEventHandlerFuncs{AddFunc: func(any) { note() }, DeleteFunc: func(any) { note() },
		UpdateFunc: func(_, _ any) { note() }}
	for _, i := range informers {
		if _, err := i.AddEventHandler(handler); err != nil {
			return nil, nil, err
		}
	}
	return told, note, nil
}
