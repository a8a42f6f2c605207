package serving

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// LogQuery selects a part of the log of a deployment.
type LogQuery struct {
	Namespace, Name string
	Pod             string // one of its pods; all of them when empty
	Init            bool   // of the containers that run before
	Lines           int    // of each container
}

const (
	mostLog  = 4 << 20
	mostPods = 20 // whose logs are read at a time
)

// Logs is the end of the log of the replicas, the newest first. Where several have written something, each begins with a line
// "==> pod <==".
func (s *Serving) Logs(ctx context.Context, conn *kube.Conn, q LogQuery) (string, error) {
	d := &Deployment{Namespace: q.Namespace, Name: q.Name}
	pods, err := conn.Replicas(ctx, q.Namespace, d.selector())
	if err != nil {
		return "", err
	}
	if q.Pod != "" {
		pods, err = onlyPod(pods, q.Pod)
		if err != nil {
			return "", err
		}
	} else if slices.ContainsFunc(pods, func(r kube.Replica) bool { return !r.Deleting }) { // others were replaced
		pods = slices.DeleteFunc(pods, func(r kube.Replica) bool { return r.Deleting })
	}
	var names, texts []string
	total := 0
	for _, r := range pods[:min(len(pods), mostPods)] {
		text, unread := podLog(ctx, conn, r, q)
		if unread != nil { // it may be gone since
			err = unread
			continue
		}
		if total += len(text); total > mostLog && len(texts) > 0 {
			break
		}
		if text != "" {
			names, texts = append(names, r.Name), append(texts, text)
		}
	}
	switch len(texts) {
	case 0:
		return "", err
	case 1:
		return texts[0], nil
	}
	for i := range texts {
		texts[i] = "==> " + names[i] + " <==\n" + texts[i]
	}
	return strings.Join(texts, "\n"), nil
}

// onlyPod is one pod, or an error that names the others.
func onlyPod(pods []kube.Replica, name string) ([]kube.Replica, error) {
	i := slices.IndexFunc(pods, func(r kube.Replica) bool { return r.Name == name })
	if i >= 0 {
		return pods[i : i+1], nil
	}
	if len(pods) == 0 {
		return nil, berth.Errorf(berth.CodeNotFound, "The service has no pods now.")
	}
	var names []string
	for _, r := range pods[:min(len(pods), mostPods)] {
		names = append(names, r.Name)
	}
	return nil, berth.Errorf(berth.CodeNotFound, "The service has no pod '%.100s'. Its pods are: %s.", name, strings.Join(names, ", "))
}

// podLog is the end of the log of one replica.
func podLog(ctx context.Context, conn *kube.Conn, r kube.Replica, q LogQuery) (string, error) {
	var out strings.Builder
	for _, c := range r.Containers {
		if c.Init != q.Init || !c.Running && c.Ended == nil {
			continue
		}
		text, err := readLog(ctx, conn, berth.LogQuery{Namespace: q.Namespace, Pod: r.Name, Container: c.Name, Lines: q.Lines,
			Previous: !c.Running && c.Ended.Before})
		if err != nil {
			return "", err
		}
		out.WriteString(text)
	}
	return out.String(), nil
}

func readLog(ctx context.Context, conn *kube.Conn, q berth.LogQuery) (string, error) {
	log, err := conn.OpenLog(ctx, q, false, mostLog)
	if err != nil {
		return "", err
	}
	defer log.Close()
	var out strings.Builder
	for {
		line, err := log.Next()
		if errors.Is(err, io.EOF) || errors.Is(err, kube.ErrLogBound) {
			return out.String(), nil
		}
		if err != nil {
			return "", err
		}
		out.WriteString(line.Text + "\n")
	}
}
