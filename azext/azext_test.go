package azext_test

import (
	"archive/zip"
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"berth.dev/berth/azext"
)

func get(t *testing.T, path string) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	azext.Handler("https://berth.example").ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, nil))
	return w
}

// TestWheel: every file is in RECORD with its checksum, as an installer checks it.
func TestWheel(t *testing.T) {
	body := get(t, azext.Path+azext.Wheel).Body.Bytes()
	z, err := zip.NewReader(bytes.NewReader(body), int64(len(body)))
	if err != nil {
		t.Fatal(err)
	}
	files := map[string][]byte{}
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if files[f.Name], err = io.ReadAll(r); err != nil {
			t.Fatal(err)
		}
	}
	info := "ml_computetarget-" + azext.Version + ".dist-info/"
	record := string(files[info+"RECORD"])
	for name, text := range files {
		sum := sha256.Sum256(text)
		line := fmt.Sprintf("%s,sha256=%s,%d\n", name, base64.RawURLEncoding.EncodeToString(sum[:]), len(text))
		if name == info+"RECORD" {
			line = name + ",,\n"
		}
		if !strings.Contains(record, line) {
			t.Errorf("RECORD has no %q", line)
		}
	}
	for _, want := range []string{
		"azext_ml_computetarget/__init__.py", "azext_ml_computetarget/_place.py", "azext_ml_computetarget/azext_metadata.json",
		info + "METADATA", info + "WHEEL",
	} {
		if len(files[want]) == 0 {
			t.Errorf("the wheel has no %s", want)
		}
	}
}

func TestAddresses(t *testing.T) {
	if w := get(t, azext.Path); w.Code != http.StatusOK ||
		w.Body.String() != "az extension add --source https://berth.example/extensions/"+azext.Wheel+"\n" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if w := get(t, azext.Path+"../credentials.json"); w.Code != http.StatusNotFound {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
