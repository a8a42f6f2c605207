package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"

	"github.com/spf13/cobra"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/client"
)

// mergeOptions are where credentials are written.
type mergeOptions struct {
	file, context string
	overwrite     bool
}

func (o *mergeOptions) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&o.file, "file", "f", "", "kubeconfig to merge into, or - to print (default $KUBECONFIG, else ~/.kube/config)")
	f.StringVar(&o.context, "context", "", "name of the context (default: the cluster's)")
	f.BoolVar(&o.overwrite, "overwrite-existing", false, "replace entries of the same name")
}

// entryNames are what a cluster's entries are called in a kubeconfig: as AKS calls them, so that several clusters fit
// into one file.
type entryNames struct{ cluster, user, context string }

func kubeNames(group, cluster string, admin bool) entryNames {
	if admin {
		return entryNames{cluster, "clusterAdmin_" + group + "_" + cluster, cluster + "-admin"}
	}
	return entryNames{cluster, "clusterUser_" + group + "_" + cluster, cluster}
}

// mergeKubeconfig puts the one cluster of a kubeconfig into the user's file, and makes it the current one.
func (c *cli) mergeKubeconfig(config []byte, names entryNames, o mergeOptions) error {
	if o.context != "" {
		names.context = o.context
	}
	fresh, err := renamed(config, names)
	if err != nil {
		return err
	}
	if o.file == "-" {
		text, err := yaml.Marshal(fresh)
		if err != nil {
			return err
		}
		_, err = c.out.Write(text)
		return err
	}
	file, err := kubeconfigFile(o.file)
	if err != nil {
		return err
	}
	old, mode, err := readKubeconfig(file)
	if err != nil {
		return err
	}
	if err := merge(old, fresh, file, o.overwrite); err != nil {
		return err
	}
	text, err := yaml.Marshal(old)
	if err != nil {
		return err
	}
	if err := replaceFile(file, text, mode); err != nil {
		return fmt.Errorf("the kubeconfig cannot be written: %w", err)
	}
	c.note("Merged %q as current context in %s", names.context, file)
	return nil
}

// kubeconfigFile is the file that kubectl would write to.
func kubeconfigFile(option string) (string, error) {
	if option != "" {
		return filepath.Abs(option)
	}
	for _, f := range filepath.SplitList(os.Getenv("KUBECONFIG")) {
		if f != "" {
			return filepath.Abs(f)
		}
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("no home folder is known (%w); name a kubeconfig with --file", err)
	}
	return filepath.Join(home, ".kube", "config"), nil
}

// readKubeconfig reads the user's file, or begins a new one. The mode is what it will be written with: never wider than it
// was, and never open to others, because it holds a key from now on.
func readKubeconfig(file string) (client.Object, os.FileMode, error) {
	empty := client.Object{"apiVersion": "v1", "kind": "Config", "preferences": client.Object{}}
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return empty, 0o600, nil
	}
	if err != nil {
		return nil, 0, fmt.Errorf("the kubeconfig cannot be read: %w", err)
	}
	info, err := os.Stat(file)
	if err != nil {
		return nil, 0, err
	}
	var old client.Object
	if err := yaml.Unmarshal(text, &old); err != nil {
		return nil, 0, fmt.Errorf("%s is not a kubeconfig (%w); nothing was changed", file, err)
	}
	if old == nil {
		old = empty
	}
	return old, info.Mode().Perm() & 0o600, nil
}

// sections are the lists of a kubeconfig, and what an entry of each holds.
var sections = []struct{ list, entry string }{{"clusters", "cluster"}, {"users", "user"}, {"contexts", "context"}}

// renamed is the kubeconfig with its one cluster, user and context under other names.
func renamed(config []byte, n entryNames) (client.Object, error) {
	var in client.Object
	if err := yaml.Unmarshal(config, &in); err != nil {
		return nil, fmt.Errorf("the server's kubeconfig cannot be read: %w", err)
	}
	out := client.Object{"apiVersion": "v1", "kind": "Config", "preferences": client.Object{}, "current-context": n.context}
	names := []string{n.cluster, n.user, n.context}
	for i, s := range sections {
		list, _ := in[s.list].([]any)
		if len(list) != 1 {
			return nil, fmt.Errorf("the server's kubeconfig has %d %s; one was expected", len(list), s.list)
		}
		entry, _ := list[0].(client.Object)
		content, _ := entry[s.entry].(client.Object)
		if s.entry == "context" {
			content["cluster"], content["user"] = n.cluster, n.user
		}
		out[s.list] = []any{client.Object{"name": names[i], s.entry: content}}
	}
	return out, nil
}

// merge adds the entries of fresh to old. It checks them all before it changes anything.
func merge(old, fresh client.Object, file string, overwrite bool) error {
	for _, s := range sections {
		list, isList := old[s.list].([]any)
		if old[s.list] != nil && !isList {
			return fmt.Errorf("%s is not a kubeconfig: its %s are no list; nothing was changed", file, s.list)
		}
		entry := fresh[s.list].([]any)[0].(client.Object) // renamed made it
		kept := make([]any, 0, len(list)+1)
		for _, e := range list {
			o, _ := e.(client.Object)
			if o == nil || o["name"] != entry["name"] {
				kept = append(kept, e)
				continue
			}
			if !overwrite && !reflect.DeepEqual(o, entry) {
				return fmt.Errorf("a different entry named %v already exists under %s in %s; "+
					"add --overwrite-existing to replace it, or name another file with --file", entry["name"], s.list, file)
			}
		}
		old[s.list] = append(kept, entry)
	}
	old["current-context"] = fresh["current-context"]
	return nil
}
