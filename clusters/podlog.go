package clusters

import (
	"context"
	"errors"
	"io"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/kube"
)

// The bounds of a log: what is read at once, and what one reader may follow before it asks again.
const (
	MostLogLines   = 1000 // of those that are there already
	maxLogBytes    = 1 << 20
	maxFollowBytes = 4 << 20
	maxFollowLines = 20_000
	followTime     = 5 * time.Minute
	maxFollowed    = 100 // logs at once
)

// Log reads the end of a container's log. whole is false when lines before were left out by a bound on bytes.
func (c *Clusters) Log(ctx context.Context, cluster berth.ID, q berth.LogQuery) (lines []berth.LogLine, whole bool, err error) {
	conn, err := c.connect(ctx, cluster, true)
	if err != nil {
		return nil, false, err
	}
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, lookTime)
	defer cancel()
	log, err := conn.OpenLog(ctx, q, false, maxLogBytes)
	if err != nil {
		return nil, false, logError(cluster, err)
	}
	defer log.Close()
	for len(lines) < MostLogLines {
		line, err := log.Next()
		switch {
		case errors.Is(err, io.EOF):
			return lines, true, nil
		case errors.Is(err, kube.ErrLogBound):
			return lines, false, nil
		case err != nil:
			return nil, false, logError(cluster, err)
		}
		lines = append(lines, line)
	}
	return lines, true, nil
}

// Why a log is no longer followed.
const (
	LogEnded = "end"    // the container has ended, and with it the log
	LogBound = "bound"  // as much was read as may be at once: ask again for what comes after the last line
	LogBroke = "broken" // the cluster has broken off
)

// Followed is a log that is followed. Close it.
type Followed struct {
	Lines <-chan berth.LogLine // closed at the end
	why   string
	close func()
}

// Close ends the following, and waits until nothing is read any more.
func (f *Followed) Close() { f.close() }

// Why is the reason for the end of Lines.
func (f *Followed) Why() string { return f.why }

// FollowLog reads a log and what is written to it from now on.
func (c *Clusters) FollowLog(ctx context.Context, cluster berth.ID, q berth.LogQuery) (*Followed, error) {
	select {
	case c.logs <- struct{}{}:
	default:
		return nil, berth.Errorf(berth.CodeServiceUnavailable, "%d logs are followed already. Close one of them, or read the log without "+
			"following it.", maxFollowed)
	}
	conn, err := c.connect(ctx, cluster, true)
	if err != nil {
		<-c.logs
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, followTime)
	stop := context.AfterFunc(c.life, cancel)
	free := func() {
		stop()
		cancel()
		conn.Close()
		<-c.logs
	}
	log, err := conn.OpenLog(ctx, q, true, maxFollowBytes)
	if err != nil {
		free()
		return nil, logError(cluster, err)
	}
	lines, done := make(chan berth.LogLine), make(chan struct{})
	f := &Followed{Lines: lines, close: func() { cancel(); log.Close(); <-done; free() }}
	go func() {
		defer close(done)
		defer close(lines)
		f.why = pass(ctx, log, lines)
	}()
	return f, nil
}

// pass hands on the lines of a log until an end.
func pass(ctx context.Context, log *kube.Log, to chan<- berth.LogLine) string {
	for range maxFollowLines {
		line, err := log.Next()
		switch {
		case errors.Is(err, io.EOF):
			return LogEnded
		case errors.Is(err, kube.ErrLogBound), err != nil && ctx.Err() != nil:
			return LogBound
		case err != nil:
			return LogBroke
		}
		select {
		case to <- line:
		case <-ctx.Done():
			return LogBound
		}
	}
	return LogBound
}

// logError is an error of reading a log as the user sees it.
func logError(cluster berth.ID, err error) error {
	switch {
	case kube.Denied(err):
		return berth.Errorf(berth.CodeForbidden, "The cluster does not let Berth read logs: %s.", berth.Sentence(err))
	case kube.NotServed(err):
		return berth.Errorf(berth.CodeNotFound, "The cluster has no such log: %s.", berth.Sentence(err))
	case kube.Unreachable(err):
		return Unreachable(cluster, err)
	case errors.Is(err, context.Canceled):
		return err
	}
	return berth.Errorf(berth.CodeConflict, "The cluster has no log to show: %s.", berth.Sentence(err))
}
