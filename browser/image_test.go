package browser

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"berth.dev/berth/app"
	"berth.dev/berth/app/apptest"
)

// pythonImage is the image in which entry scripts run: BERTH_PYTHON_IMAGE, or a new one, which is built once for all tests.
var pythonImage = sync.OnceValues(func() (string, error) {
	if file := os.Getenv("BERTH_PYTHON_IMAGE"); file != "" {
		return file, nil
	}
	file := builtImage()
	_, err := app.BuildImage(context.Background(), app.BaseImage{UV: true}, file)
	return file, err
})

func builtImage() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("berth-studio-python-%d.tar", os.Getpid()))
}

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.Remove(builtImage()) // there is none when no test needed it
	os.Exit(code)
}

// givePython gives the nodes of a server the image in which entry scripts run.
func givePython(t *testing.T, s *apptest.Server) {
	t.Helper()
	file, err := pythonImage()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := app.ImportImage(s.Dir, file); err != nil {
		t.Fatal(err)
	}
}
