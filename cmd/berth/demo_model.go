package main

import (
	"context"
	embedded "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/app"
	"berth.dev/berth/client"
)

// lineFiles are a model, which is the coefficients of a line, and the entry script that answers for it.
//
//go:embed line
var lineFiles embedded.FS

const (
	lineName = "line"
	// modelPatience is how long the deployment may take: packages come from an index, and maybe the first time.
	modelPatience = 10 * time.Minute
	// environmentFailed is the code of a deployment whose packages could not be installed.
	environmentFailed berth.Code = "EnvironmentBuildFailed"
)

// leftOutError is why a step of the demo is not possible here. The demo goes on.
type leftOutError struct{ error }

// model registers a model, deploys it to a compute and calls it, where the nodes are real and there is a source of packages.
func (d *demo) model(ctx context.Context, n client.ComputeName) (string, error) {
	real, err := d.realNodes(ctx, n)
	if err != nil {
		return "", err
	}
	if !real {
		return simulatedNodes, nil
	}
	text, err := d.serveLine(ctx, n)
	if left, is := errors.AsType[leftOutError](err); is {
		return "left out: " + berth.Plain(left.error), nil
	}
	return text, err
}

func (d *demo) serveLine(ctx context.Context, n client.ComputeName) (string, error) {
	made, err := d.pythonImage(ctx)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "berth-demo-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.CopyFS(dir, lineFiles); err != nil {
		return "", err
	}
	folder := filepath.Join(dir, lineName)
	in := client.WorkspaceName{Group: n.Group, Name: n.Workspace}
	model, err := d.cl.RegisterModel(ctx, in, client.ModelRequest{Name: lineName, Path: filepath.Join(folder, "line.json")})
	if err != nil {
		return "", err
	}
	times, err := d.deployLine(ctx, n, str(model, "id"), folder)
	if err != nil {
		return "", err
	}
	answer, err := callService(ctx, d.cl, in, lineName, []byte(`{"data": [1, 2, 3]}`))
	if err != nil {
		return "", err
	}
	d.served = true
	return fmt.Sprintf("%s for [1, 2, 3]\n           (%s%s, score %.3f s)", strings.TrimSpace(string(answer.Body)), made, times,
		answer.Seconds), nil
}

// pythonImage makes the image of Python, if there is none, and answers how long that took.
func (d *demo) pythonImage(ctx context.Context) (string, error) {
	if name, err := app.ImportedPython(d.info.DataDir); err != nil || name != "" {
		return "", err
	}
	d.c.note("Making the image of Python from the packages of this machine's distribution, which is kept in %s...", d.info.DataDir)
	dir, err := os.MkdirTemp("", "berth-image-")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	start, file := time.Now(), filepath.Join(dir, "image.tar")
	if _, err := app.BuildImage(ctx, app.BaseImage{UV: true}, file); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", leftOutError{fmt.Errorf("the image of Python, which models run in, could not be made: %s. "+
			"'berth image build --help' says where its packages may come from", strings.TrimSuffix(berth.Plain(err), "."))}
	}
	if _, err := app.ImportImage(d.info.DataDir, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("image of Python %.1f s, ", time.Since(start).Seconds()), nil
}

// deployLine deploys the model, or its next version, and answers how long the environment and the rest took.
func (d *demo) deployLine(ctx context.Context, n client.ComputeName, model, folder string) (string, error) {
	in := client.WorkspaceName{Group: n.Group, Name: n.Workspace}
	files := &inferenceOptions{script: "score.py", folder: folder, packages: []string{"azureml-inference-server-http"}}
	if err := files.read(ctx, d.cl, in); err != nil {
		return "", err
	}
	body := client.Object{"name": lineName, "computeType": string(berth.ComputeAKS), "computeName": n.Name, "overwrite": true,
		"numReplicas": 1, "containerResourceRequirements": client.Object{"cpu": 0.1, "memoryInGB": 0.3},
		"environmentImageRequest": client.Object{"modelIds": []string{model}, "environment": files.environment}}
	quiet := *d.c
	quiet.onlyErrors = true // the step has one line of its own
	start := time.Now()
	op, err := quiet.deploy(ctx, d.cl, in, deployment{body, files})
	if err != nil {
		return "", err
	}
	err = d.waitLong(ctx, op, "the model", modelPatience)
	if e, is := errors.AsType[*berth.Error](err); is && e.Code == environmentFailed {
		return "", leftOutError{errors.New(e.Message)} // without the log, which is long
	}
	if err != nil {
		return "", err
	}
	all := time.Since(start)
	built, err := d.environmentTime(ctx, op)
	return fmt.Sprintf("environment %.1f s, deployment %.1f s", built.Seconds(), (all - built).Seconds()), err
}

// environmentTime is how long an operation took until the environment was there.
func (d *demo) environmentTime(ctx context.Context, op *client.Operation) (time.Duration, error) {
	id, err := berth.ParseID(op.ResourceID)
	if err != nil {
		return 0, err
	}
	all, err := d.cl.Operations(ctx, id, false)
	if err != nil {
		return 0, err
	}
	for _, o := range all {
		if o["name"] != op.ID {
			continue
		}
		began, err := time.Parse(time.RFC3339Nano, str(o, "startTime"))
		if err != nil {
			return 0, err
		}
		steps, _ := at(o, "properties", "steps").([]any)
		for _, step := range objects(steps) {
			if strings.Contains(str(step, "message"), " were resolved in ") {
				ended, err := time.Parse(time.RFC3339Nano, str(step, "at"))
				return ended.Sub(began), err
			}
		}
	}
	return 0, nil
}
