package models

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/store"
)

// LogQuery says which part of the log of a service is asked for.
type LogQuery struct {
	Init  bool   // of what prepares the container, instead of its own
	Lines int    // of each pod
	Pod   string // of one pod only; of all when empty
}

// LogHead begins the part of a log that is a pod's, where there are several.
func LogHead(what string) string { return "==> " + what + " <==\n" }

// serviceLogs answers the last lines of the pods of a service.
func (s *Server) serviceLogs(q *Request) (*Answer, error) {
	r, err := s.served(q, q.words[0])
	if err != nil {
		return nil, err
	}
	get := q.Query.Get
	if version := get("version"); version != "" && r.ID.Is(berth.TypeEndpoint) {
		if r, err = s.Store.Get(q.Context, r.ID.Child("deployments", version)); err != nil {
			return nil, missing(err, "version", version)
		}
	}
	text, err := s.ServedLog(q.Context, r, LogQuery{Init: strings.EqualFold(get("init"), "true"), Lines: lines(get("tail")), Pod: get("pod")})
	if err != nil {
		return nil, err
	}
	return ok(object{"content": text}), nil
}

// ServedLog is the end of the log of what is served. What has failed has no pods any more: then it is what they wrote last.
func (s *Server) ServedLog(ctx context.Context, r *berth.Resource, q LogQuery) (string, error) {
	text, err := s.logsOf(ctx, r, q)
	failed := failedLog(r.Fault, q.Lines)
	switch {
	case q.Pod != "" || failed == "" || strings.Contains(text, failed): // the latter of an AksEndpoint: its version has told it
		return text, err
	case err != nil || text == "": // it was told what failed, whether the cluster can be asked or not
		return failed, nil
	}
	return LogHead("failed") + failed + LogHead("served") + text, nil
}

// logsOf is the end of the log of what is served: of an AksEndpoint, that of each version.
func (s *Server) logsOf(ctx context.Context, r *berth.Resource, q LogQuery) (string, error) {
	e, is := r.Body.(*berth.Endpoint)
	if !is {
		return s.Logs(ctx, r, q)
	}
	versions := slices.Sorted(maps.Keys(e.Spec.Aks.Versions))
	var all strings.Builder
	for _, name := range versions {
		version, err := s.Store.Get(ctx, r.ID.Child("deployments", name))
		if errors.Is(err, store.ErrNotFound) {
			continue // it is not there yet
		}
		if err != nil {
			return "", err
		}
		text, err := s.ServedLog(ctx, version, q)
		if err != nil {
			return "", err
		}
		if len(versions) > 1 && text != "" {
			text = LogHead(name) + text
		}
		all.WriteString(text)
	}
	return all.String(), nil
}

// failedLog is what containers wrote last before the deployment failed; the reason when they wrote nothing.
func failedLog(fault *berth.Error, lines int) string {
	if fault == nil {
		return ""
	}
	text := fault.Message
	for _, d := range fault.Details {
		if d.Target == "log" {
			text = d.Message
		}
	}
	all := strings.SplitAfter(strings.TrimRight(text, "\n")+"\n", "\n")
	all = all[:len(all)-1]
	return strings.Join(all[max(len(all)-lines, 0):], "")
}
