package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// configDir is where the command line keeps its login, its token and its defaults.
func configDir() (string, error) {
	if dir := os.Getenv("BERTH_CONFIG_DIR"); dir != "" {
		return filepath.Abs(dir)
	}
	dir, err := os.UserConfigDir()
	if err != nil {
		return "", fmt.Errorf("no folder for settings is known (%w); name one with BERTH_CONFIG_DIR", err)
	}
	return filepath.Join(dir, "berth"), nil
}

func defaultsFile() (string, error) {
	dir, err := configDir()
	return filepath.Join(dir, "defaults.json"), err
}

// readDefaults reads the defaults that `berth configure --defaults` stored; an empty map when there are none.
func readDefaults() (map[string]string, error) {
	defaults := map[string]string{}
	file, err := defaultsFile()
	if err != nil {
		return defaults, nil //nolint:nilerr // without a settings folder there are no defaults: that is no error
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return defaults, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the defaults cannot be read: %w", err)
	}
	if err := json.Unmarshal(data, &defaults); err != nil {
		return nil, fmt.Errorf("the defaults in %s cannot be read (%w); repair or remove the file", file, err)
	}
	return defaults, nil
}

func writeDefaults(defaults map[string]string) error {
	file, err := defaultsFile()
	if err != nil {
		return err
	}
	data, err := json.MarshalIndent(defaults, "", "  ")
	if err != nil {
		return err
	}
	return replaceFile(file, append(data, '\n'), 0o600)
}

// replaceFile writes a file in one step: a reader sees the old text or the new, never half of it.
func replaceFile(file string, data []byte, mode os.FileMode) error {
	if real, err := filepath.EvalSymlinks(file); err == nil {
		file = real // a link stays a link
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-*")
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Chmod(f.Name(), mode)
	}
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		_ = os.Remove(f.Name()) // the first error is the one that counts
	}
	return err
}

// defaultKeys maps what az calls a default to what it is called here.
var defaultKeys = map[string]string{
	"group": "group", "workspace": "workspace", "workspace_name": "workspace", "location": "location",
	"compute": "compute",
}

// parseDefault reads "group=demo". An empty value removes the default.
func parseDefault(s string) (key, value string, err error) {
	name, value, found := strings.Cut(s, "=")
	key, known := defaultKeys[name]
	if !found || !known {
		return "", "", usage("--defaults takes group=, workspace=, location= and compute=, not '%s'", s)
	}
	return key, value, nil
}
