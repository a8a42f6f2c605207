package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/pflag"
	"sigs.k8s.io/yaml"

	"berth.dev/berth/client"
)

// inferenceOptions say what answers for a model: an entry script, the folder that it is in, and an environment.
type inferenceOptions struct {
	configFile                          string // inferenceconfig.json
	script, folder                      string
	conda, requirements, python         string
	packages                            []string
	environmentName, environmentVersion string

	environment client.Object // as the request has it, once read
}

func (o *inferenceOptions) flags(f *pflag.FlagSet) {
	f.StringVar(&o.script, "entry-script", "", "Python file with init() and run(), in the source directory if there is one; also --es")
	f.StringVar(&o.folder, "source-directory", "", "folder with the entry script and the files that it needs; also --sd")
	f.StringArrayVar(&o.packages, "pip-package", nil, "package that the entry script needs, such as numpy==2.1; may be repeated")
	f.StringVar(&o.requirements, "requirements", "", "requirements.txt with such packages")
	f.StringVar(&o.conda, "conda-file", "", "environment.yml of conda, instead of the packages; also --cf")
	f.StringVar(&o.python, "python", "", "version of Python, such as 3.11")
	f.StringVarP(&o.environmentName, "environment-name", "e", "", "registered environment, instead of the packages")
	f.StringVar(&o.environmentVersion, "environment-version", "", "its version (default: the newest); also --ev")
	f.StringVar(&o.configFile, "inference-config-file", "",
		"inferenceconfig.json with entryScript, sourceDirectory and environment; also --ic")
}

// inferenceFile is an inferenceconfig.json. Paths in it start at the working folder, as in the CLI v1.
type inferenceFile struct {
	EntryScript     string          `json:"entryScript"`
	SourceDirectory string          `json:"sourceDirectory"`
	CondaFile       string          `json:"condaFile"`
	Environment     json.RawMessage `json:"environment"`
}

// read fills in what a file says, checks the options and makes the environment.
func (o *inferenceOptions) read(ctx context.Context, cl *client.Client, in client.WorkspaceName) (err error) {
	var file inferenceFile
	if o.configFile != "" {
		if err := readJSON(o.configFile, &file); err != nil {
			return err
		}
	}
	o.script, o.folder = cmp.Or(o.script, file.EntryScript), cmp.Or(o.folder, file.SourceDirectory)
	o.conda = cmp.Or(o.conda, file.CondaFile)
	if o.script == "" {
		return usage("the following arguments are required: --entry-script/--es")
	}
	if err := o.check(); err != nil {
		return err
	}
	switch {
	case o.environmentName != "":
		o.environment, err = cl.GetEnvironment(ctx, in, o.environmentName, o.environmentVersion)
	case o.conda != "":
		o.environment, err = condaEnvironment(o.conda)
	case len(file.Environment) > 0 && len(o.packages) == 0 && o.requirements == "" && o.python == "":
		if json.Unmarshal(file.Environment, &o.environment) != nil || o.environment == nil {
			return usage("the environment in %s is no object, as Environment.save_to_directory writes it", o.configFile)
		}
	default:
		o.environment, err = o.pipEnvironment()
	}
	if err != nil {
		return err
	}
	set, err := o.variables()
	if err != nil {
		return err
	}
	if have, is := o.environment["environmentVariables"].(client.Object); is {
		maps.Copy(have, set)
		set = have
	}
	o.environment["environmentVariables"] = set
	return nil
}

// check refuses options that exclude each other, and an entry script that is not there.
func (o *inferenceOptions) check() error {
	pip := len(o.packages) > 0 || o.requirements != "" || o.python != ""
	ways := slices.DeleteFunc([]bool{pip, o.conda != "", o.environmentName != ""}, func(used bool) bool { return !used })
	if len(ways) > 1 {
		return usage("use one of --conda-file, --environment-name, or packages (--pip-package, --requirements, --python)")
	}
	script := o.script
	if o.folder != "" {
		if filepath.IsAbs(script) {
			return usage("--entry-script is a path in the folder of --source-directory, such as score.py")
		}
		script = filepath.Join(o.folder, script)
	}
	info, err := os.Stat(script)
	if err != nil {
		return fmt.Errorf("the entry script cannot be read: %w", err)
	}
	if info.IsDir() {
		return usage("the entry script %s is a folder. Name the folder with --source-directory, and the script in it with --entry-script", script)
	}
	return nil
}

// pipEnvironment has packages of pip, and the server that runs entry scripts.
func (o *inferenceOptions) pipEnvironment() (client.Object, error) {
	packages := slices.Clone(o.packages)
	if o.requirements != "" {
		text, err := os.ReadFile(o.requirements)
		if err != nil {
			return nil, fmt.Errorf("the requirements cannot be read: %w", err)
		}
		for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
			if line := strings.TrimSpace(lines.Text()); line != "" && !strings.HasPrefix(line, "#") {
				packages = append(packages, line)
			}
		}
	}
	dependencies := []any{}
	if o.python != "" {
		dependencies = append(dependencies, "python="+o.python)
	}
	if len(packages) > 0 {
		dependencies = append(dependencies, client.Object{"pip": packages})
	}
	return environmentOf(client.Object{"name": "project_environment", "dependencies": dependencies}), nil
}

func condaEnvironment(file string) (client.Object, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("the conda file cannot be read: %w", err)
	}
	conda := client.Object{}
	if err := yaml.Unmarshal(text, &conda); err != nil {
		return nil, usage("%s is no environment of conda: it is not valid YAML", file)
	}
	return environmentOf(conda), nil
}

func environmentOf(conda client.Object) client.Object {
	return client.Object{"name": "berth", "docker": client.Object{},
		"python": client.Object{"userManagedDependencies": false, "condaDependencies": conda}}
}

// readJSON reads a file with a JSON object.
func readJSON(file string, into any) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the file cannot be read: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return usage("%s cannot be used: it is not valid JSON", file)
	}
	return nil
}
