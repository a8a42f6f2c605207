package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"berth.dev/berth/client"
)

// execRecipe is what to do about a kubeconfig that signs in by a command.
func execRecipe(plugin client.Object) error {
	name, _ := plugin["command"].(string)
	cloud := map[string]string{
		"aws": " (EKS)", "aws-iam-authenticator": " (EKS)", "gke-gcloud-auth-plugin": " (GKE)", "kubelogin": " (AKS with Entra ID)",
	}[strings.TrimSuffix(filepath.Base(name), ".exe")]
	return usage("the kubeconfig signs in by running the command '%s'%s. Add --exec-once: it runs the command once, here and as you, "+
		"and sends only the short-lived token that it prints. Or use a kubeconfig with a token (kubectl create token) or a client "+
		"certificate", name, cloud)
}

// runPlugin runs the command of a kubeconfig in this process's own environment, as kubectl does, and returns a user that has what the
// command printed instead of the command. dir is the folder of the kubeconfig: relative commands begin there.
func (c *cli) runPlugin(ctx context.Context, plugin, cluster client.Object, dir string) (client.Object, error) {
	name, _ := plugin["command"].(string)
	if strings.ContainsRune(name, filepath.Separator) && !filepath.IsAbs(name) {
		name = filepath.Join(dir, name)
	}
	cmd := exec.CommandContext(ctx, name, words(plugin["args"])...)
	info, err := execInfo(plugin, cluster)
	if err != nil {
		return nil, err
	}
	cmd.Env = append(os.Environ(), "KUBERNETES_EXEC_INFO="+info)
	list, _ := plugin["env"].([]any)
	for _, v := range objects(list) {
		cmd.Env = append(cmd.Env, str(v, "name")+"="+str(v, "value"))
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, c.err
	if c.inTerminal && plugin["interactiveMode"] != "Never" {
		cmd.Stdin = c.in
	}
	if err := cmd.Run(); errors.Is(err, exec.ErrNotFound) {
		hint := str(plugin, "installHint")
		return nil, fmt.Errorf("the kubeconfig signs in by the command '%s', which is not installed here. %s", name, hint)
	} else if err != nil {
		return nil, fmt.Errorf("the command '%s' of the kubeconfig failed (%w); its own words are above", name, err)
	}
	return pluginUser(name, out.Bytes())
}

// execInfo is what a plugin reads about the cluster and about how it was called.
func execInfo(plugin, cluster client.Object) (string, error) {
	spec := client.Object{"interactive": false}
	if plugin["provideClusterInfo"] == true {
		spec["cluster"] = cluster
	}
	text, err := json.Marshal(client.Object{"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": spec})
	return string(text), err
}

// pluginUser reads an ExecCredential. Its text is a secret, so no error quotes it.
func pluginUser(name string, text []byte) (client.Object, error) {
	var out struct {
		Status struct {
			Token       string `json:"token"`
			Certificate string `json:"clientCertificateData"`
			Key         string `json:"clientKeyData"`
		} `json:"status"`
	}
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("the command '%s' of the kubeconfig printed no ExecCredential in JSON", name)
	}
	user, s := client.Object{}, out.Status
	if s.Token != "" {
		user["token"] = s.Token
	}
	if s.Certificate != "" && s.Key != "" {
		user["client-certificate-data"] = base64.StdEncoding.EncodeToString([]byte(s.Certificate))
		user["client-key-data"] = base64.StdEncoding.EncodeToString([]byte(s.Key))
	}
	if len(user) == 0 {
		return nil, fmt.Errorf("the command '%s' of the kubeconfig gave neither a token nor a client certificate", name)
	}
	return user, nil
}

func words(v any) []string {
	list, _ := v.([]any)
	out := make([]string, 0, len(list))
	for _, word := range list {
		out = append(out, fmt.Sprint(word))
	}
	return out
}
