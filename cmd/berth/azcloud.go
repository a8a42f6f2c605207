package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"berth.dev/berth/client"
)

// correctAzCloud makes az sign in at this Berth also when the cloud is called AzureCloud. az replaces the login endpoint of a cloud of
// that name by Microsoft's, whatever the metadata say, but what its file clouds.config says comes last. az also remembers the
// metadata: after a change of the name it must read them again.
func correctAzCloud(dir string, s *session) error {
	clouds, remembered := filepath.Join(dir, "clouds.config"), filepath.Join(dir, "cloudEndpoints.json")
	endpoint := "endpoint_active_directory = " + s.Endpoint + "\n"
	renamed := s.CloudName != client.CloudName
	text, err := os.ReadFile(clouds)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("az's clouds cannot be read: %w", err)
	}
	corrected := strings.Contains(string(text), endpoint)
	switch {
	case renamed == corrected:
		return nil
	case renamed:
		err = replaceFile(clouds, []byte("["+s.CloudName+"]\n"+endpoint), 0o600)
	default:
		err = os.Remove(clouds)
	}
	if err == nil {
		err = os.Remove(remembered)
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("az's clouds cannot be set: %w", err)
	}
	return nil
}
