package serving

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/bundle"
	"berth.dev/berth/kube"
	"berth.dev/berth/router/route"
)

// The store of files of a cluster: one pod of berth-fe.
const (
	filesName   = "azureml-files"
	filesPort   = 8100
	filesSize   = "50Gi"
	tokenKey    = "token"
	chunk       = 16 << 20        // bytes that travel in one request
	uploadTime  = 2 * time.Second // after which Advance returns
	chunkTime   = time.Minute
	maxMissing  = 4 << 20
	filesOrigin = "http://" + filesName + "." + route.Namespace + ".svc:8100"
)

// files brings what the cluster does not have yet of a list; true when all of it is there.
func (a *advance) files(list *bundle.List, open Source) (there bool, err error) {
	if err := list.Check(); err != nil {
		a.fail(StepFiles, berth.Errorf(CodeFiles, "The files of the deployment cannot be used: %s.", berth.Sentence(err)), "")
		return false, nil
	}
	if len(list.Files) == 0 {
		a.step(StepFiles, Done, "The deployment has no files.")
		return true, nil
	}
	token, ready, err := a.filesStore()
	if err != nil || !ready {
		a.step(StepFiles, Running, "The store of files of the cluster is being started.")
		return false, err
	}
	u := &upload{advance: a, token: token, sizes: map[string]int64{}}
	var digests []string
	for _, f := range list.Files {
		if _, twice := u.sizes[f.Digest]; !twice {
			digests = append(digests, f.Digest)
			u.total += f.Size
		}
		u.sizes[f.Digest] = f.Size
	}
	missing, err := u.missing(digests)
	if unanswered(err) { // the pod of the store is there, its endpoint is not yet
		a.step(StepFiles, Running, "The store of files of the cluster is being started.")
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return u.send(missing, open)
}

// Pack replaces many small files by a few archives that unpack themselves to the same paths, so that a deployment can have many. The source
// that it returns has the archives too. It reads every small file; its result is good for the generation.
func Pack(ctx context.Context, files []File, open Source) ([]File, Source, error) {
	if len(files) > bundle.MaxFiles {
		return nil, nil, berth.Errorf(CodeFiles, "The service has %d files, and at most %d are possible. Register the model as one archive "+
			"(tar.gz or zip) with unpack=True.", len(files), bundle.MaxFiles)
	}
	all := make([]bundle.File, 0, len(files))
	for _, f := range files {
		all = append(all, bundle.File(f))
	}
	rest, packs, err := bundle.PackSmall(ctx, all, bundle.Open(open))
	if err != nil {
		return nil, nil, err
	}
	out := make([]File, 0, len(rest))
	for _, f := range rest {
		out = append(out, File(f))
	}
	return out, Source(packs.Open(bundle.Open(open))), nil
}

func (a *advance) list() *bundle.List {
	out := &bundle.List{From: filesOrigin}
	for _, f := range a.d.Files {
		out.Files = append(out.Files, bundle.File(f))
	}
	return out
}

func unanswered(err error) bool { return err != nil && kube.Unreachable(err) }

// upload brings files to the store.
type upload struct {
	*advance
	token string
	sizes map[string]int64
	total int64
}

func (u *upload) call(method, path string, query url.Values, body []byte) ([]byte, error) {
	return u.conn.Proxy(u.ctx, kube.Proxied{Namespace: route.Namespace, Service: filesName, Port: "files", Method: method, Path: path,
		Query: query, Header: http.Header{bundle.HeaderToken: {u.token}}, Body: bytes.NewReader(body), Size: int64(len(body)),
		Timeout: chunkTime, Most: maxMissing})
}

func (u *upload) missing(digests []string) (out []bundle.Part, err error) {
	asked, err := json.Marshal(digests)
	if err != nil {
		return nil, err
	}
	text, err := u.call(http.MethodPost, "/missing", nil, asked)
	if err != nil {
		return nil, err
	}
	return out, json.Unmarshal(text, &out)
}

// send sends what is missing, for a while. What has come is kept, so that another call goes on.
func (u *upload) send(missing []bundle.Part, open Source) (done bool, err error) {
	until := u.o.Clock.Now().Add(uploadTime)
	for i, p := range missing {
		size, asked := u.sizes[p.Digest]
		if !asked || p.Offset < 0 || p.Offset > size {
			return false, fmt.Errorf("the store of files speaks of a file that is not of this deployment")
		}
		whole, err := u.sendOne(p, size, open, until)
		if err != nil || !whole {
			left := int64(0)
			for _, m := range missing[i:] {
				left += u.sizes[m.Digest] - m.Offset
			}
			u.step(StepFiles, Running, fmt.Sprintf("%d of %d files are still on their way, with at most %s.", len(missing)-i, len(u.sizes),
				megabytes(left)))
			u.p.Await = time.Millisecond
			return false, err
		}
	}
	u.step(StepFiles, Done, fmt.Sprintf("%d files with %s are in the cluster.", len(u.sizes), megabytes(u.total)))
	return true, nil
}

func megabytes(n int64) string {
	if n < 1<<20 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}

func (u *upload) sendOne(p bundle.Part, size int64, open Source, until time.Time) (whole bool, err error) {
	from, err := open(u.ctx, p.Digest, p.Offset)
	if err != nil {
		return false, err
	}
	defer func() { _ = from.Close() }()
	buffer := make([]byte, min(chunk, size-p.Offset))
	for at := p.Offset; ; {
		n, err := io.ReadFull(from, buffer[:min(int64(len(buffer)), size-at)])
		if err != nil {
			return false, fmt.Errorf("a file has less bytes than it should: %w", err)
		}
		_, err = u.call(http.MethodPut, "/files/"+p.Digest, url.Values{"offset": {strconv.FormatInt(at, 10)},
			"size": {strconv.FormatInt(size, 10)}}, buffer[:n])
		if err != nil {
			return false, fmt.Errorf("the store of files of the cluster does not take a file: %w", err)
		}
		if at += int64(n); at >= size {
			return true, nil
		}
		if !u.o.Clock.Now().Before(until) {
			return false, nil
		}
	}
}

// filesStore makes the store of files, and reports whether it answers.
func (a *advance) filesStore() (token string, ready bool, err error) {
	ref := func(kind string) kube.Ref { return kube.Ref{Kind: kind, Namespace: route.Namespace, Name: filesName} }
	var have struct {
		Metadata kube.Meta
		Status   struct{ ReadyReplicas int }
	}
	if err := a.namespace(route.Namespace); err != nil {
		return "", false, err
	}
	if token, err = a.token(ref("Secret")); err != nil {
		return "", false, err
	}
	if err := a.givePull(route.Namespace); err != nil {
		return "", false, err
	}
	found, err := a.conn.Read(a.ctx, ref("Deployment"), &have)
	if err != nil {
		return "", false, err
	}
	if digest := a.filesDigest(token); found && have.Metadata.Annotations[annotationSpec] == digest {
		return token, have.Status.ReadyReplicas > 0, nil
	}
	return token, false, a.makeFilesStore(token, ref)
}

func (a *advance) filesDigest(token string) string {
	return digestOf([]any{a.fe(), token, a.rootOnly, a.pullSecrets()})[:16]
}

// makeFilesStore applies its objects. The store keeps the files on a volume where the cluster has a class that needs no name.
func (a *advance) makeFilesStore(token string, ref func(string) kube.Ref) error {
	volume := kube.Object{"name": "files", "emptyDir": kube.Object{}}
	class, err := a.defaultClass()
	if err != nil {
		return err
	}
	labels := map[string]string{labelPart: "files", "azuremlappname": filesName}
	all := []struct {
		kind string
		kube.Object
	}{{"Service", kube.Object{"spec": kube.Object{"selector": labels, "ports": []kube.Object{{"name": "files", "port": filesPort,
		"targetPort": filesPort, "protocol": "TCP"}}}}}}
	if class {
		volume = kube.Object{"name": "files", "persistentVolumeClaim": kube.Object{"claimName": filesName}}
		all = append(all, struct {
			kind string
			kube.Object
		}{"PersistentVolumeClaim", kube.Object{"spec": kube.Object{"accessModes": []string{"ReadWriteOnce"},
			"resources": kube.Object{"requests": kube.Object{"storage": filesSize}}}}})
	}
	for _, o := range all {
		if err := a.conn.Apply(a.ctx, ref(o.kind), o.Object, nil); err != nil {
			return err
		}
	}
	c := a.container("files", a.fe(), small("20m", "32Mi", "256Mi"))
	c["args"] = []string{"files", "--http", ":" + strconv.Itoa(filesPort), "--dir", "/files"}
	c["ports"] = []kube.Object{{"name": "files", "containerPort": filesPort, "protocol": "TCP"}}
	c["env"] = []kube.Object{{"name": "BERTH_FILES_TOKEN",
		"valueFrom": kube.Object{"secretKeyRef": kube.Object{"name": filesName, "key": tokenKey}}}}
	c["volumeMounts"] = []kube.Object{{"name": "files", "mountPath": "/files"}}
	c["readinessProbe"] = kube.Object{"httpGet": kube.Object{"path": "/healthz", "port": filesPort}, "periodSeconds": 1}
	spec := a.podSpec([]kube.Object{volume})
	spec["containers"] = []kube.Object{c}
	return a.conn.Apply(a.ctx, ref("Deployment"), kube.Object{
		"metadata": kube.Object{"labels": labels, "annotations": map[string]string{annotationSpec: a.filesDigest(token)}},
		"spec": kube.Object{"replicas": 1, "strategy": kube.Object{"type": "Recreate"}, "selector": kube.Object{"matchLabels": labels},
			"template": kube.Object{"metadata": kube.Object{"labels": labels}, "spec": spec}},
	}, nil)
}

func (a *advance) defaultClass() (bool, error) {
	all, err := kube.Objects[storageClass](a.ctx, a.conn, kube.Ref{Kind: "StorageClass"}, "")
	return slices.ContainsFunc(all, func(c storageClass) bool { return c.isDefault() }), err
}

var errNoSource = errors.New("the file is not in Berth's store")

// NoSource is the Source of a deployment without files.
func NoSource(context.Context, string, int64) (io.ReadCloser, error) { return nil, errNoSource }
