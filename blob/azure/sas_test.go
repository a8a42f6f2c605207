package azure_test

import (
	"encoding/base64"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"berth.dev/berth/blob/azure"
)

// madeByLibraries are SAS for the account and the key of these tests, as azure-storage-blob for Python makes them: 12.31.1, and 12.13.1
// where sv is of 2021. They end in 2030.
var madeByLibraries = map[string]struct{ target, query string }{
	"a blob": {"/work/LocalUpload/%EB%AA%A8%EB%8D%B8%201+2%25&.pkl",
		"st=2026-01-01T00%3A00%3A00Z&se=2030-01-02T03%3A04%3A05Z&sp=r&sv=2026-10-06&sr=b&sig=Iy7o6LBTaQNIfzL14KDuOAQx9/RfOORsdreJIf6IxE4%3D"},
	"a container": {"/work/model.pkl", "se=2030-01-02T03%3A04%3A05Z&sp=racwdl&spr=https%2Chttp&sv=2026-10-06&sr=c" +
		"&sig=sAbHkIKIEeglWo7gvcj1TREVp2VEOkLpLcjTZlvx7xE%3D"},
	"the account": {"/work/model.pkl", "se=2030-01-02T03%3A04%3A05Z&sp=rl&sv=2026-10-06&ss=b&srt=co" +
		"&sig=1QPJ%2BH0FAl2NapjveaUsnKGuViuSw6yYlEnCG6CWB5k%3D"},
	"with headers": {"/work/model.pkl", "se=2030-01-02T03%3A04%3A05Z&sp=r&sv=2026-10-06&sr=b&rscd=attachment&rsct=text/x%3B%20a" +
		"&sig=hmpF5AgXboDtGHCj0tHjwF2CfSeJ36s0w4xRHtoOu9A%3D"},
	"a folder": {"/work/LocalUpload/one/model.pkl", "se=2030-01-02T03%3A04%3A05Z&sp=rcw&sv=2026-10-06&sr=d&sdd=2" +
		"&sig=eohB6ICo2RY4TMeEL5CzPVuVArriG/hjA1I7yywYXok%3D"},
	"an older library": {"/work/model.pkl", "se=2030-01-02T03%3A04%3A05Z&sp=rw&sv=2021-08-06&sr=b" +
		"&sig=u/9Hc9FXgNGbznPUDMAzuJJKC%2BJ6mOfNx914mBa3xe0%3D"},
}

func TestSASOfLibraries(t *testing.T) {
	w := newWorld(t)
	w.put("LocalUpload/%EB%AA%A8%EB%8D%B8%201+2%25&.pkl", "weights")
	w.put("model.pkl", "weights")
	w.put("LocalUpload/one/model.pkl", "weights")
	for name, c := range madeByLibraries {
		got := w.do(http.MethodGet, c.target+"?"+c.query, nil)
		if got.body != "weights" {
			t.Errorf("%s: %d %s", name, got.status, got.body)
		}
		if h := got.header; name == "with headers" && (h.Get("Content-Type") != "text/x; a" || h.Get("Content-Disposition") != "attachment") {
			t.Errorf("%s: %v", name, h)
		}
	}
	w.clock.Advance(5 * 366 * 24 * time.Hour)
	for name, c := range madeByLibraries {
		if got := w.do(http.MethodGet, c.target+"?"+c.query, nil); got.status != http.StatusForbidden {
			t.Errorf("%s, after its end: %d", name, got.status)
		}
	}
}

// TestSASTampered changes each field of each SAS, takes it away and gives it twice: nothing of that opens anything.
func TestSASTampered(t *testing.T) {
	w := newWorld(t)
	w.put("model.pkl", "weights")
	w.put("LocalUpload/one/model.pkl", "weights")
	w.put("LocalUpload/%EB%AA%A8%EB%8D%B8%201+2%25&.pkl", "weights")
	for name, c := range madeByLibraries {
		fields, err := url.ParseQuery(c.query)
		if err != nil {
			t.Fatal(err)
		}
		for field := range fields {
			others := map[string][]string{
				"without": nil, "twice": {fields.Get(field), fields.Get(field)}, "empty": {""}, "longer": {fields.Get(field) + "x"},
				"with a line": {fields.Get(field) + "\n"}, "later": {"2031-01-02T03:04:05Z"}, "more": {"racwdlxyz"}, "container": {"c"},
				"newer": {"2026-11-01"}, "much older": {"2015-04-05"},
			}
			for how, values := range others {
				changed, _ := url.ParseQuery(c.query)
				if changed[field] = values; values == nil {
					delete(changed, field)
				}
				if changed.Encode() == fields.Encode() {
					continue
				}
				got := w.do(http.MethodGet, c.target+"?"+changed.Encode(), nil)
				if got.status != http.StatusForbidden && got.status != http.StatusUnauthorized || strings.Contains(got.body, "weights") {
					t.Errorf("%s, %s %s: %d", name, field, how, got.status)
				}
			}
		}
		for _, target := range []string{"/work/other.pkl", "/other/model.pkl", "/work/model.pkl/x", "/work/%0amodel.pkl"} {
			if got := w.do(http.MethodGet, target+"?"+c.query, nil); got.status == http.StatusOK {
				t.Errorf("%s opens %s: %d", name, target, got.status)
			}
		}
	}
}

func TestSASFields(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	for name, c := range map[string]struct {
		change func(url.Values)
		status int
		code   string
	}{
		"as it is":            {func(url.Values) {}, 200, ""},
		"begins now":          {func(q url.Values) { q.Set("st", "2026-11-26T12:00:00Z") }, 200, ""},
		"by the day":          {func(q url.Values) { q.Set("st", "2026-11-26"); q.Set("se", "2026-11-27") }, 200, ""},
		"by the minute":       {func(q url.Values) { q.Set("se", "2026-11-26T12:01Z") }, 200, ""},
		"by parts of seconds": {func(q url.Values) { q.Set("se", "2026-11-26T12:00:00.0000001Z") }, 200, ""},
		"the oldest version":  {func(q url.Values) { q.Set("sv", "2018-11-09") }, 200, ""},
		"ends now":            {func(q url.Values) { q.Set("se", "2026-11-26T12:00:00Z") }, 403, "AuthenticationFailed"},
		"begins later":        {func(q url.Values) { q.Set("st", "2026-11-26T12:00:01Z") }, 403, "AuthenticationFailed"},
		"no end":              {func(q url.Values) { q.Del("se") }, 403, "AuthenticationFailed"},
		"no time":             {func(q url.Values) { q.Set("se", "tomorrow") }, 403, "AuthenticationFailed"},
		"an old version":      {func(q url.Values) { q.Set("sv", "2015-04-05") }, 403, "AuthenticationFailed"},
		"no version":          {func(q url.Values) { q.Set("sv", "9") }, 403, "AuthenticationFailed"},
		"an address":          {func(q url.Values) { q.Set("sip", "127.0.0.1") }, 403, "AuthenticationFailed"},
		"a policy":            {func(q url.Values) { q.Set("si", "policy") }, 403, "AuthenticationFailed"},
		"a scope":             {func(q url.Values) { q.Set("ses", "scope") }, 403, "AuthenticationFailed"},
		"a folder itself":     {func(q url.Values) { q.Set("sr", "d"); q.Set("sdd", "1") }, 403, "AuthenticationFailed"},
		"a snapshot":          {func(q url.Values) { q.Set("sr", "bs") }, 403, "AuthenticationFailed"},
		"only HTTPS":          {func(q url.Values) { q.Set("spr", "https") }, 403, "AuthorizationProtocolMismatch"},
		"no permission":       {func(q url.Values) { q.Set("sp", "") }, 403, "AuthorizationPermissionMismatch"},
		"another permission":  {func(q url.Values) { q.Set("sp", "wcdl") }, 403, "AuthorizationPermissionMismatch"},
		"of another user":     {func(q url.Values) { q.Set("skoid", "x") }, 403, "AuthenticationFailed"},
		"no signature":        {func(q url.Values) { q.Set("sig", "") }, 403, "AuthenticationFailed"},
	} {
		q, err := url.ParseQuery(w.hour("work", "model", "r"))
		if err != nil {
			t.Fatal(err)
		}
		c.change(q)
		if name != "no signature" {
			q.Set("sig", azure.SignatureOf(w.Account, q, "work", "model"))
		}
		got := w.do(http.MethodGet, "/work/model?"+q.Encode(), nil)
		if got.status != c.status || got.code() != c.code {
			t.Errorf("%s: %d %s\n%s", name, got.status, got.code(), got.body)
		}
	}
}

// TestFolderSAS: a signature for a folder opens the files in it, at any depth, and nothing beside it.
func TestFolderSAS(t *testing.T) {
	w := newWorld(t)
	for _, name := range []string{"up/1/a", "up/1/b/c", "up/10/a", "up/2/a", "up/1", "up/a"} {
		w.put(name, "weights")
	}
	query := w.FolderSAS("work", "up/1", "rcw", w.clock.Now().Add(time.Hour))
	for target, status := range map[string]int{
		"/work/up/1/a?": 200, "/work/up/1/b/c?": 200, "/work/up/1/none?": 404,
		"/work/up/10/a?": 403, "/work/up/2/a?": 403, "/work/up/1?": 403, "/work/up/a?": 403, "/other/up/1/a?": 403,
		"/work?restype=container&comp=list&prefix=up/1/&": 403, "/work?restype=container&": 403, "/?comp=list&": 403,
		"/work/up/1/../2/a?": 400,
	} {
		if got := w.do(http.MethodGet, target+query, nil); got.status != status {
			t.Errorf("%s: %d; want %d", target, got.status, status)
		}
	}
	for _, changed := range []string{strings.Replace(query, "sdd=2", "sdd=1", 1), strings.Replace(query, "sdd=2", "sdd=0", 1),
		strings.Replace(query, "sdd=2", "sdd=-1", 1), strings.Replace(query, "sr=d", "sr=c", 1)} {
		if got := w.do(http.MethodGet, "/work/up/1/a?"+changed, nil); got.status != http.StatusForbidden {
			t.Errorf("%s: %d", changed, got.status)
		}
	}
	w.clock.Advance(time.Hour)
	if got := w.do(http.MethodGet, "/work/up/1/a?"+query, nil); got.status != http.StatusForbidden {
		t.Errorf("after its end: %d", got.status)
	}
}

// TestPermissions tries each operation with each permission alone.
func TestPermissions(t *testing.T) {
	w := newWorld(t)
	list := "<BlockList></BlockList>"
	for _, c := range []struct{ method, target, body, old, fresh string }{ // the letters that do for a blob that exists, and for a new one
		{"GET", "/work/NAME?", "", "r", "r"},
		{"HEAD", "/work/NAME?", "", "r", "r"},
		{"GET", "/work/NAME?comp=metadata&", "", "r", "r"},
		{"GET", "/work/NAME?comp=blocklist&", "", "r", "r"},
		{"PUT", "/work/NAME?", "x", "w", "cw"},
		{"PUT", "/work/NAME?comp=block&blockid=AAAA&", "x", "cw", "cw"},
		{"PUT", "/work/NAME?comp=blocklist&", list, "w", "cw"},
		{"PUT", "/work/NAME?comp=metadata&", "", "w", "w"},
		{"PUT", "/work/NAME?comp=properties&", "", "w", "w"},
		{"DELETE", "/work/NAME?", "", "d", "d"},
		{"GET", "/work?restype=container&comp=list&", "", "l", "l"},
		{"GET", "/work?restype=container&", "", "", ""}, // not by a SAS of the container
		{"PUT", "/work?restype=container&", "", "", ""},
		{"DELETE", "/work?restype=container&", "", "", ""},
		{"GET", "/?comp=list&", "", "", ""},
	} {
		for _, letter := range strings.Split("racwdxltmeopi", "") {
			for name, enough := range map[string]string{"old": c.old, "new": c.fresh} {
				if name == "old" {
					w.put("old", "weights")
				}
				target := strings.ReplaceAll(c.target, "NAME", name) + w.hour("work", "", letter)
				got := w.do(c.method, target, strings.NewReader(c.body), "x-ms-blob-type", "BlockBlob")
				denied := got.status == http.StatusForbidden && strings.HasPrefix(got.code(), "Auth")
				if denied == strings.Contains(enough, letter) {
					t.Errorf("%s %s of the %s blob with %s: %d %s", c.method, c.target, name, letter, got.status, got.code())
				}
				w.do("DELETE", "/work/new?"+w.hour("work", "", "d"), nil)
			}
		}
	}
}

func TestNoAccess(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	other := &azure.Account{Name: accountName, Key: azure.NewKey(), Store: w.Store, Clock: w.clock}
	for name, c := range map[string]struct {
		query  string
		header string
		status int
		code   string
	}{
		"nothing":         {"", "", 401, "NoAuthenticationInformation"},
		"another key":     {other.SAS("work", "model", "r", w.clock.Now().Add(time.Hour)), "", 403, "AuthenticationFailed"},
		"a bearer token":  {"", "Bearer abc", 403, "AuthenticationFailed"},
		"another scheme":  {"", "Basic abc", 403, "AuthenticationFailed"},
		"a bad SharedKey": {"", "SharedKey berth:abc", 403, "AuthenticationFailed"},
		"another account": {"", "SharedKey other:abc", 403, "AuthenticationFailed"},
		"SharedKey light": {"", "SharedKeyLite berth:abc", 403, "AuthenticationFailed"},
	} {
		// What there is cannot be told from what there is not.
		for _, target := range []string{"/work/model?", "/work/none?", "/none/model?", "/?comp=list&", "/work?restype=container&",
			"/work?comp=x&"} {
			headers := []string{"x-ms-date", w.clock.Now().Format(http.TimeFormat)}
			if c.header != "" {
				headers = append(headers, "Authorization", c.header)
			}
			if got := w.do(http.MethodGet, target+c.query, nil, headers...); got.status != c.status || got.code() != c.code {
				t.Errorf("%s, %s: %d %s", name, target, got.status, got.code())
			}
		}
	}
	w.Allow = func(r *http.Request) bool {
		return r.Header.Get("Authorization") == "Bearer good" && r.Method == http.MethodGet
	}
	for token, status := range map[string]int{"good": 200, "bad": 403} {
		if got := w.do(http.MethodGet, "/work/model", nil, "Authorization", "Bearer "+token); got.status != status {
			t.Errorf("with a %s token: %d", token, got.status)
		}
	}
}

func TestHTTPSOnly(t *testing.T) {
	w := newWorld(t)
	w.put("model", "weights")
	w.serve(httptest.NewTLSServer(w.Account))
	q, err := url.ParseQuery(w.hour("work", "model", "r"))
	if err != nil {
		t.Fatal(err)
	}
	q.Set("spr", "https")
	q.Set("sig", azure.SignatureOf(w.Account, q, "work", "model"))
	if got := w.do(http.MethodGet, "/work/model?"+q.Encode(), nil); got.status != http.StatusOK {
		t.Errorf("by HTTPS: %d %s", got.status, got.body)
	}
}

// FuzzSAS sends any query: without the key nothing is read, and nothing breaks.
func FuzzSAS(f *testing.F) {
	for _, c := range madeByLibraries {
		f.Add(c.target, c.query)
	}
	f.Add("/work/model.pkl", "sv=2021-12-02&sr=b&sig=%")
	f.Add("/work/../x", "sig=a&sig=b&ss=b&srt=sco&sp=r&se=2030-01-01")
	// The account has another key than the one of the SAS above, so each of them is wrong too.
	account := &azure.Account{Name: accountName, Key: []byte(base64.StdEncoding.EncodeToString(accountKey))}
	f.Fuzz(func(t *testing.T, path, query string) {
		r := httptest.NewRequest(http.MethodGet, "http://berth.blob.example.com/", nil)
		r.URL.Path, r.URL.RawQuery = path, query
		w := httptest.NewRecorder()
		account.ServeHTTP(w, r) // there is no store: a request that got further would panic
		if w.Code != http.StatusForbidden && w.Code != http.StatusUnauthorized && w.Code != http.StatusBadRequest {
			t.Errorf("%q?%q: %d", path, query, w.Code)
		}
	})
}
