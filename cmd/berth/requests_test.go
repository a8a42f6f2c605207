package main

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestWhatCommandsSend(t *testing.T) {
	dir := t.TempDir()
	cert, key := filepath.Join(dir, "cert.pem"), filepath.Join(dir, "key.pem")
	for file, text := range map[string]string{cert: "CERT", key: "KEY"} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	target := " -n c -g g -w w"
	var all strings.Builder
	for _, line := range []string{
		"ml computetarget create aks" + target,
		"ml computetarget create aks" + target +
			" -a 4 -s Standard_D4_v2 --cluster-purpose DevTest -l eastus --load-balancer-type InternalLoadBalancer " +
			"--load-balancer-subnet s --ssl-leaf-domain-label contoso --ssl-overwrite-domain --no-wait",
		"ml computetarget create aks" + target +
			" --vnet-name v --vnet-resourcegroup-name r --subnet-name s --service-cidr 10.0.0.0/16 --dns-service-ip " +
			"10.0.0.10 --docker-bridge-cidr 172.17.0.1/16 --ssl-cname a.b --ssl-cert-file " + cert + " --ssl-key-file " + key,
		"ml computetarget attach aks" + target + ` -i "` + clusterPath + `" --cluster-purpose DevTest`,
		"ml computetarget update aks" + target + " --ssl-disable",
		"ml computetarget scale" + target + " -a 4",
		"ml computetarget detach" + target,
		"ml computetarget delete -y" + target,
		"ml workspace create -w w -g g --friendly-name W",
		"aks create -n k -g g -c 2 -s Standard_D3_v2 -k 1.36",
		"aks scale -n k -g g -c 5",
		"aks delete -n k -g g --yes",
		"group create -n g -l westeurope --tags a=b c=d",
		"group delete -n g -y",
	} {
		w := newWorld(t).fill()
		for _, path := range []string{computePath, clusterPath} {
			w.on("PUT "+path, "201 {}")
			w.on("DELETE "+path, "202 ")
		}
		w.on("PUT "+strings.TrimSuffix(computePath, "/computes/c"), space)
		w.on("PUT /subscriptions/"+testSubscription+"/resourceGroups/g", group)
		w.on("DELETE /subscriptions/"+testSubscription+"/resourceGroups/g", "202 ")
		w.ok(strings.Fields(line)...)
		all.WriteString("$ berth " + strings.ReplaceAll(line, dir, "DIR") + "\n" + w.requests("PUT") + w.requests("DELETE") + "\n")
	}
	golden(t, "requests.txt", all.String())
}

func TestDeleteAsks(t *testing.T) {
	w := newWorld(t).fill()
	w.on("DELETE "+clusterPath, "202 ")
	args := []string{"aks", "delete", "-n", "k", "-g", "g"}
	if r := offTerminal(args...); r.code != exitUsage || !strings.Contains(r.err, "--yes") {
		t.Errorf("off a terminal: exit %d, %s", r.code, r.err)
	}
	if r := atTerminal(t.Context(), "what\nn\n", args...); r.code != exitFailed || strings.Count(r.err, "Are you sure") != 2 {
		t.Errorf("no: exit %d, %s", r.code, r.err)
	}
	if sent := w.requests("DELETE"); sent != "" {
		t.Errorf("deleted without a yes: %s", sent)
	}
	if r := atTerminal(t.Context(), "y\n", args...); r.code != 0 || w.requests("DELETE") == "" {
		t.Errorf("yes: exit %d, %s", r.code, r.err)
	}
}

func TestProgressAndNotes(t *testing.T) {
	w := newWorld(t).fill()
	w.on("PUT "+computePath, "201 {}")
	script := []string{`{"status":"InProgress","properties":{"message":"starting"}}`,
		`{"status":"InProgress","properties":{"message":"starting"}}`,
		`{"status":"Succeeded","properties":{"notes":["The cluster did not answer."]}}`}
	w.on("GET "+operationPath, script...)
	args := []string{"ml", "computetarget", "create", "aks", "-n", "c", "-g", "g", "-w", "w", "-o", "none"}
	r := offTerminal(args...)
	want := "Provisioning compute resources...\nResource creation submitted successfully.\nCreating compute c: " +
		"starting\nWARNING: The cluster did not answer.\n"
	if r.code != 0 || r.err != want {
		t.Errorf("exit %d, printed %q, want %q", r.code, r.err, want)
	}
	w.on("GET "+operationPath, script...)
	if r := offTerminal(append(args, "--only-show-errors")...); r.err != "" {
		t.Errorf("--only-show-errors says %q", r.err)
	}
	w.on("GET "+operationPath, script...)
	if r := atTerminal(t.Context(), "", args...); !strings.Contains(r.err, "⠋ Creating compute c") &&
		!strings.Contains(r.err, "⠙ Creating compute c") || !strings.Contains(r.err, "\x1b[33mWARNING") {
		t.Errorf("at a terminal: %q", r.err)
	}
}

func TestInterruptionSaysHowToGoOn(t *testing.T) {
	w := newWorld(t).fill()
	w.on("PUT "+clusterPath, "201 {}")
	w.on("GET "+operationPath, `{"status":"InProgress"}`)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		for !strings.Contains(w.requests("GET"), operationPath) {
			time.Sleep(time.Millisecond) // there is no other sign that the command waits
		}
		cancel()
	}()
	r := atTerminal(ctx, "", "aks", "create", "-n", "k", "-g", "g")
	if r.code != exitInterrupted || !strings.Contains(r.err, "berth operation wait --id op-1") {
		t.Errorf("exit %d, %q", r.code, r.err)
	}
}
