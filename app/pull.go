package app

import (
	"fmt"
	"os"
	"sync"

	"berth.dev/berth/serving"
)

// readPullConfig reads the file of --image-pull-config.
func readPullConfig(file string) ([]byte, error) {
	text, err := os.ReadFile(file) // #nosec G304 -- the operator's own
	if err != nil {
		return nil, fmt.Errorf("--image-pull-config: %w", err)
	}
	out, err := serving.ReadPullConfig(text)
	if err != nil {
		return nil, fmt.Errorf("--image-pull-config %s cannot be used: %w", file, err)
	}
	return out, nil
}

// pullConfig reads the file each time: whoever renews a password writes the file anew. One that cannot be used leaves the former one in
// use.
func (s *server) pullConfig() func() []byte {
	if s.config.PullConfig == "" {
		return nil
	}
	var lock sync.Mutex
	var last []byte
	said := ""
	return func() []byte {
		lock.Lock()
		defer lock.Unlock()
		text, err := readPullConfig(s.config.PullConfig)
		switch {
		case err == nil:
			last, said = text, ""
		case err.Error() != said:
			s.log.Warn("the logins for registries cannot be read; the former ones stay in use", "error", err)
			said = err.Error()
		}
		return last
	}
}
