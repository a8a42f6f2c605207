package main

// check tries what run needs.
func check(settings) error { return nil }
