package client_test

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"berth.dev/berth"
	"berth.dev/berth/client"
)

const operationPath = prefix + "/providers/Microsoft.MachineLearningServices/locations/westeurope/operationsStatuses/op-1"

// start answers a PUT that begins an operation, and then the states of that operation.
func start(t *testing.T, s *server, states ...string) (*client.Client, *client.Operation) {
	t.Helper()
	path := prefix + "/resourceGroups/g/providers/Microsoft.MachineLearningServices/workspaces/w/computes/c"
	s.handlers["PUT "+path] = func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Azure-AsyncOperation", "https://public.example"+operationPath+"?api-version=2024-04-01")
		w.WriteHeader(http.StatusCreated)
		_, _ = io.WriteString(w, `{"name":"c"}`)
	}
	s.on("GET "+operationPath, states...)
	c := s.client(t)
	_, op, err := c.PutCompute(t.Context(), client.ComputeName{Group: "g", Workspace: "w", Name: "c"}, client.Object{})
	if err != nil || op == nil || op.ID != "op-1" || op.Done() {
		t.Fatalf("got %+v, %v", op, err)
	}
	return c, op
}

func TestWaitTellsTheNewsAndEnds(t *testing.T) {
	s := newServer(t)
	c, op := start(t, s, `{"status":"InProgress","properties":{"message":"one"}}`, `{"status":"InProgress","properties":{"message":"two"}}`,
		`{"status":"Succeeded","resourceId":"/x","properties":{"verb":"create","notes":["mind this"]}}`)
	var news []string
	if err := c.Wait(t.Context(), op, func(o *client.Operation) { news = append(news, o.Message) }); err != nil {
		t.Fatal(err)
	}
	if strings.Join(news, ",") != "one,two," || op.Verb != "create" || op.Notes[0] != "mind this" || op.ResourceID != "/x" {
		t.Errorf("progress %q, ended as %+v", news, op)
	}
	if again, err := c.OperationByID("https://elsewhere.example" + operationPath + "?api-version=2024-04-01"); err != nil ||
		again.URL != op.URL {
		t.Errorf("by address: %+v, %v", again, err)
	}
	if byID, err := c.OperationByID("op-1"); err != nil || !strings.HasSuffix(byID.URL, "/operationsStatuses/op-1") {
		t.Errorf("by id: %+v, %v", byID, err)
	}
}

func TestWaitAnswersWhyItFailed(t *testing.T) {
	s := newServer(t)
	c, op := start(t, s, `{"status":"Failed","error":{"code":"BadRequest","message":"No.",
		"details":[{"code":"X","message":"Y","target":"z"}]}}`)
	err := c.Wait(t.Context(), op, nil)
	e, ok := errors.AsType[*berth.Error](err)
	if !ok || e.Code != "BadRequest" || len(e.Details) != 1 || e.Details[0].Target != "z" {
		t.Errorf("got %#v", err)
	}
}

func TestWaitOutlivesARestartOfTheServer(t *testing.T) {
	s := newServer(t)
	c, op := start(t, s)
	n := 0
	s.handlers["GET "+operationPath] = func(w http.ResponseWriter, _ *http.Request) {
		n++
		if n < 3 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, `{"status":"Succeeded"}`)
	}
	if err := c.Wait(t.Context(), op, nil); err != nil || n != 3 {
		t.Errorf("%v after %d polls", err, n)
	}
}

func TestWaitEndsWithItsContext(t *testing.T) {
	s := newServer(t)
	c, op := start(t, s, `{"status":"InProgress"}`)
	ctx, cancel := context.WithCancel(t.Context())
	err := c.Wait(ctx, op, func(*client.Operation) { cancel() })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if err := c.Wait(t.Context(), nil, nil); err != nil {
		t.Errorf("nothing to wait for: %v", err)
	}
}

func TestErrorsKeepTheirStatus(t *testing.T) {
	s := newServer(t)
	_, err := s.client(t).GetGroup(t.Context(), "nope")
	e, ok := errors.AsType[*berth.Error](err)
	if !ok || e.Code != "ResourceNotFound" || !client.IsNotFound(err) {
		t.Errorf("got %#v", err)
	}
	s.handlers["GET "+prefix+"/resourceGroups/odd"] = func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusBadGateway)
		_, _ = io.WriteString(w, "<html>proxy</html>")
	}
	if _, err := s.client(t).GetGroup(t.Context(), "odd"); client.StatusOf(err) != http.StatusBadGateway ||
		!strings.Contains(err.Error(), "502 Bad Gateway") {
		t.Errorf("got %v", err)
	}
}

func TestConnectionErrorsAreSentences(t *testing.T) {
	s := newServer(t)
	plainHTTP := httptest.NewServer(http.NotFoundHandler())
	defer plainHTTP.Close()
	gone := httptest.NewTLSServer(http.NotFoundHandler())
	gone.Close()
	other := filepath.Join(t.TempDir(), "other.pem")
	if err := os.WriteFile(other, []byte(otherCA(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		change func(*client.Options)
		want   string
	}{
		"no server": {func(o *client.Options) { o.Credentials.Endpoint = gone.URL },
			"Berth does not answer at " + gone.URL + "; start it with `berth serve`."},
		"another CA": {func(o *client.Options) { o.Credentials.CAFile = other }, "it was not issued by the CA in " + other},
		"no HTTPS": {func(o *client.Options) { o.Credentials.Endpoint = strings.Replace(plainHTTP.URL, "http", "https", 1) },
			"does not speak HTTPS"},
	} {
		_, err := s.client(t, c.change).GetGroup(t.Context(), "g")
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want …%s…", name, err, c.want)
		}
	}
	for name, change := range map[string]func(*client.Options){
		"plain http": func(o *client.Options) { o.Credentials.Endpoint = "http://127.0.0.1:1" },
		"no CA file": func(o *client.Options) { o.Credentials.CAFile = "/nowhere" },
		"no secret":  func(o *client.Options) { o.Credentials.ClientSecret = "" },
	} {
		o := s.options()
		change(&o)
		if _, err := client.New(o); err == nil {
			t.Errorf("%s: a client was made", name)
		}
	}
}
