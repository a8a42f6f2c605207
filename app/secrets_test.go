package app_test

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"berth.dev/berth/app/apptest"
)

var privateKey = regexp.MustCompile(`(client-key-data|token): (\S{40,})`)

// sealed is a line of the private key that seal gave away.
var sealed string

// noSecrets: what must stay secret is in no answer but those to the credential actions, in no log line, in no argument
// of a process, and in no file that others may read. path is a compute with a certificate of the user's.
func noSecrets(s *site, path, earlierLog string) {
	cluster := apptest.At(s.get(path), "properties.resourceId").(string)
	s.equal(s.get(path), "properties.properties.sslConfiguration.cname", "scoring.example")
	secrets := []string{sealed, s.ClientSecret, s.Token}
	for _, config := range [][]byte{s.Keys(path), s.ClusterKeys(cluster)} {
		for _, m := range privateKey.FindAllStringSubmatch(string(config), -1) {
			secrets = append(secrets, m[2])
		}
	}
	if len(secrets) != 7 {
		s.t.Fatalf("the kubeconfigs have %d keys and tokens, want one of each in each", len(secrets)-3)
	}
	seen := map[string]string{"the log": earlierLog + s.Log.String()}
	sub := "/subscriptions/" + s.SubscriptionID
	for _, at := range []string{
		path, cluster, cluster + "/agentPools", s.workspace, s.workspace + "/computes", sub + "/resources",
		sub + "/resourceGroups", s.Group(jobGroup) + "/resources",
		sub + "/providers/Microsoft.ContainerService/managedClusters", "/rp/workspaces" + path, cluster + "/upgradeProfiles/default",
	} {
		seen["GET "+at] = s.Want(http.StatusOK, s.Do(http.MethodGet, at, nil)).Text
	}
	put := s.Do(http.MethodPut, path, s.get(path))
	seen["the echoed PUT"], seen["its operation"] = put.Text, s.Do(http.MethodGet, put.Header.Get("Azure-AsyncOperation"), nil).Text
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	s.must(err)
	for _, line := range lines {
		text, _ := os.ReadFile(line) // of a process that has ended in the meantime
		seen["the arguments of a process"] += string(text)
	}
	databases, err := filepath.Glob(filepath.Join(s.Dir, "berth.db*"))
	s.must(err)
	for _, file := range databases {
		text, err := os.ReadFile(file)
		s.must(err)
		seen[filepath.Base(file)] = string(text)
	}
	for where, text := range seen {
		for i, secret := range secrets {
			if strings.Contains(text, secret) {
				s.t.Errorf("secret %d is in %s", i, where)
			}
		}
	}
	onlyMine(s)
}

// onlyMine: no other user may read the files of Berth, wherever they are copied to.
func onlyMine(s *site) {
	if info, err := os.Stat(s.Dir); err != nil || info.Mode().Perm() != 0o700 {
		s.t.Errorf("the data folder has mode %v, %v", info.Mode(), err)
	}
	s.must(filepath.WalkDir(s.Dir, func(path string, e os.DirEntry, err error) error {
		if err != nil {
			return nil // removed meanwhile
		}
		info, err := e.Info()
		text := ""
		if err == nil && e.Type().IsRegular() && info.Mode().Perm()&0o077 != 0 && info.Size() < 1<<20 {
			b, _ := os.ReadFile(path) // removed meanwhile
			text = string(b)
		}
		if strings.Contains(text, "PRIVATE KEY") || strings.Contains(text, s.ClientSecret) {
			s.t.Errorf("%s holds a secret and has mode %v", path, info.Mode())
		}
		return nil
	}))
}
