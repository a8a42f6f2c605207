package main

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/client"
	"berth.dev/berth/kube"
)

// Entry scripts of the services that are measured.
const (
	quickScript  = "def init():\n    pass\n\n\ndef run(data):\n    return [1]\n"
	slowScript   = "import time\n\n\ndef init():\n    pass\n\n\ndef run(data):\n    time.sleep(0.1)\n    return [1]\n"
	brokenScript = "def init():\n    raise RuntimeError('broken')\n\n\ndef run(data):\n    return [1]\n"
)

// modelCompute has the real nodes of the measurements of models.
const modelCompute = "models"

var modelSpace = client.WorkspaceName{Group: group, Name: workspace}

// models measures deployments of models: how long they take, what an update loses, and how fast replicas follow the load.
func (b *bench) models(ctx context.Context) error {
	if err := b.uploaded(ctx); err != nil {
		return err
	}
	if err := b.server.createNodes(ctx, modelCompute, berth.NodesReal); err != nil {
		return err
	}
	if err := b.berth(ctx, nil, "image", "build"); err != nil {
		return fmt.Errorf("the image of Python: %w", err)
	}
	for _, measure := range []func(context.Context) error{b.deployed, b.updated, b.scaled, b.servingMemory} {
		if err := measure(ctx); err != nil {
			return err
		}
	}
	for _, name := range []string{"quick", "slow"} {
		if err := b.server.removeService(ctx, name); err != nil {
			return err
		}
	}
	return b.server.deleteCompute(ctx, modelCompute, client.ActionDelete)
}

// uploaded measures the upload of a large file.
func (b *bench) uploaded(ctx context.Context) error {
	const size = 256 << 20
	file := filepath.Join(b.server.dir, "large.bin")
	f, err := os.Create(file) // #nosec: in the folder of this server
	if err != nil {
		return err
	}
	_, err = io.CopyN(f, rand.Reader, size)
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	start := time.Now()
	if _, err := b.server.client.RegisterModel(ctx, modelSpace, client.ModelRequest{Name: "large", Path: file}); err != nil {
		return err
	}
	row("registering a model of 256 MiB", fmt.Sprintf("%.0f MB/s", size/1e6/time.Since(start).Seconds()), "")
	return os.Remove(file)
}

// deploy deploys a service with an entry script and waits for it.
func (s *server) deploy(ctx context.Context, name, script string, more client.Object) (time.Duration, error) {
	start := time.Now()
	source := client.File{Path: "score.py", Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(script)), nil }}
	prefix, err := s.client.Upload(ctx, modelSpace, []client.File{source})
	if err != nil {
		return 0, err
	}
	body := client.Object{"name": name, "computeType": "AKS", "computeName": modelCompute, "numReplicas": 1, "maxQueueWaitMs": 5000,
		"containerResourceRequirements": client.Object{"cpu": 0.1, "memoryInGB": 0.3},
		"environmentImageRequest": client.Object{"modelIds": []string{},
			"assets": []any{client.Object{"id": source.Path, "url": "aml://artifact/" + prefix + source.Path, "unpack": false}},
			"environment": client.Object{"name": "bench", "environmentVariables": client.Object{"AZUREML_ENTRY_SCRIPT": source.Path},
				"python": client.Object{"condaDependencies": client.Object{"dependencies": []any{
					client.Object{"pip": []string{"azureml-inference-server-http", "numpy"}}}}}}}}
	for field, value := range more {
		body[field] = value
	}
	op, err := s.client.DeployService(ctx, modelSpace, body)
	err = s.wait(ctx, op, err)
	return time.Since(start), err
}

// deployed measures the first deployment of an environment, later ones, and one that fails.
func (b *bench) deployed(ctx context.Context) error {
	first, err := b.server.deploy(ctx, "quick", quickScript, nil)
	if err != nil {
		return err
	}
	row("deployment with a new environment (numpy), from a near index", seconds(first), "10 s")
	var known []time.Duration
	for i := range b.rounds {
		name := fmt.Sprintf("known%d", i)
		d, err := b.server.deploy(ctx, name, quickScript, nil)
		if err != nil {
			return err
		}
		known = append(known, d)
		if err := b.server.removeService(ctx, name); err != nil {
			return err
		}
	}
	row("deployment with a known environment (median)", seconds(median(known)), "3 s")
	var broken []time.Duration
	for i := range b.rounds {
		name := fmt.Sprintf("broken%d", i)
		d, err := b.server.deploy(ctx, name, brokenScript, nil)
		if err == nil || !strings.Contains(err.Error(), "broken") {
			return fmt.Errorf("a script that raises was told as: %w", err)
		}
		broken = append(broken, d)
		if err := b.server.removeService(ctx, name); err != nil {
			return err
		}
	}
	row("a score.py that raises, until its line is told (median)", seconds(median(broken)), "5 s")
	return nil
}

func (s *server) removeService(ctx context.Context, name string) error {
	op, err := s.client.DeleteService(ctx, modelSpace, name)
	return s.wait(ctx, op, err)
}

// calls are requests to a service from several clients at once, until it is stopped.
type calls struct {
	sent, failed atomic.Int64
	stop         context.CancelFunc
	wait         sync.WaitGroup
}

func (s *server) startLoad(ctx context.Context, name string, clients int) (*calls, error) {
	service, err := s.client.GetService(ctx, modelSpace, name)
	if err != nil {
		return nil, err
	}
	keys, err := s.client.ServiceKeys(ctx, modelSpace, name)
	if err != nil {
		return nil, err
	}
	address, _ := service["scoringUri"].(string)
	l := &calls{}
	ctx, l.stop = context.WithCancel(ctx)
	transport := &http.Transport{MaxIdleConnsPerHost: clients}
	for range clients {
		l.wait.Go(func() {
			for ctx.Err() == nil {
				req, err := http.NewRequestWithContext(ctx, http.MethodPost, address, strings.NewReader(`{"data": [1]}`))
				if err != nil {
					return
				}
				req.Header.Set("Authorization", "Bearer "+keys.Primary)
				l.one(transport.RoundTrip(req))
			}
		})
	}
	return l, nil
}

// one counts an answer. One that was broken off because the load ends counts for nothing.
func (l *calls) one(res *http.Response, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	l.sent.Add(1)
	if err != nil {
		l.failed.Add(1)
		return
	}
	_, err = io.Copy(io.Discard, res.Body)
	_ = res.Body.Close()
	if res.StatusCode != http.StatusOK || err != nil && !errors.Is(err, context.Canceled) {
		l.failed.Add(1)
	}
}

func (l *calls) end() {
	l.stop()
	l.wait.Wait()
}

// updated measures what rolling updates under load lose.
func (b *bench) updated(ctx context.Context) error {
	const enough, most = 10_000, 20
	l, err := b.server.startLoad(ctx, "quick", 4)
	if err != nil {
		return err
	}
	defer l.end()
	updates := 0
	for ; updates < most && (updates < 2 || l.sent.Load() < enough); updates++ {
		op, err := b.server.client.PatchService(ctx, modelSpace, "quick", []client.Object{
			{"op": "replace", "path": "/containerResourceRequirements/cpu", "value": 0.1 + float64(updates+1)/1000}})
		if err := b.server.wait(ctx, op, err); err != nil {
			return err
		}
	}
	l.end()
	row(fmt.Sprintf("failed of %d requests during %d updates", l.sent.Load(), updates), fmt.Sprint(l.failed.Load()), "0 of 10,000")
	return nil
}

// scaled measures how fast replicas follow the load.
func (b *bench) scaled(ctx context.Context) error {
	byLoad := client.Object{"autoscaleEnabled": true, "minReplicas": 1, "maxReplicas": 3, "targetUtilization": 70, "refreshPeriodInSeconds": 1}
	if _, err := b.server.deploy(ctx, "slow", slowScript, client.Object{"numReplicas": nil, "autoScaler": byLoad}); err != nil {
		return err
	}
	api, err := b.server.kubernetes(ctx, modelCompute)
	if err != nil {
		return err
	}
	defer api.Close()
	address := "/apis/apps/v1/namespaces/" + kube.NamespaceName("azureml-"+workspace) + "/deployments/slow"
	l, err := b.server.startLoad(ctx, "slow", 6)
	if err != nil {
		return err
	}
	defer l.end()
	start, decided := time.Now(), time.Duration(0)
	if err := until(ctx, func() bool {
		var d struct {
			Spec   struct{ Replicas int }
			Status struct{ ReadyReplicas int }
		}
		text, _, err := api.Call(ctx, http.MethodGet, address, nil)
		if err != nil || json.Unmarshal(text, &d) != nil {
			return false
		}
		if decided == 0 && d.Spec.Replicas > 1 {
			decided = time.Since(start)
		}
		return d.Status.ReadyReplicas > 1
	}); err != nil {
		return err
	}
	row("load comes, until another replica is decided", seconds(decided), "1 s")
	row("that, until it serves", seconds(time.Since(start)), "4 s")
	return nil
}

// servingMemory measures the processes of the router and of replicas.
func (b *bench) servingMemory(context.Context) error {
	memory, count := map[string]float64{}, map[string]int{}
	for pid, name := range processes(func(line []string) string {
		switch {
		case filepath.Base(line[0]) == "berth-fe":
			return "fe"
		case len(line) > 1 && filepath.Base(line[1]) == "azmlinfsrv":
			return "replica"
		}
		return ""
	}) {
		memory[name] += proportional(pid)
		count[name]++
	}
	if count["fe"] == 0 || count["replica"] == 0 {
		return errors.New("no router or no replica runs")
	}
	row("memory of a router (PSS)", fmt.Sprintf("%.0f MB", memory["fe"]/float64(count["fe"])), "")
	row("memory of a replica, each of its processes (PSS)", fmt.Sprintf("%.0f MB", memory["replica"]/float64(count["replica"])), "")
	return nil
}
