package app_test

import (
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"berth.dev/berth/app/apptest"
)

// studioOf sends requests to the pages of a server, with a session's cookie and further headers (name, value, …).
func studioOf(t *testing.T, s *apptest.Server,
) func(method, path, cookie string, form url.Values, header ...string) (int, http.Header, string) {
	return func(method, path, cookie string, form url.Values, header ...string) (int, http.Header, string) {
		t.Helper()
		req, err := http.NewRequestWithContext(t.Context(), method, s.Endpoint+path, strings.NewReader(form.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if cookie != "" {
			req.Header.Set("Cookie", cookie)
		}
		for i := 0; i+1 < len(header); i += 2 {
			req.Header.Set(header[i], header[i+1])
		}
		res, err := s.Plain().Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		text, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
		if err != nil {
			t.Fatal(err)
		}
		return res.StatusCode, res.Header, string(text)
	}
}

// TestStudioDoor: no page and no event without a session; a link is good once; another site's form does nothing.
func TestStudioDoor(t *testing.T) {
	s := apptest.New(t)
	s.MakeWorkspace(jobGroup, jobWorkspace)
	ask := studioOf(t, s)
	if status, h, _ := ask(http.MethodGet, "/", "", nil, "Accept", "text/html,*/*;q=0.8"); status != http.StatusFound ||
		h.Get("Location") != "/studio" {
		t.Errorf("a browser at the bare address: %d %v", status, h)
	}
	if status, _, _ := ask(http.MethodGet, "/", "", nil, "Accept", "application/json"); status != http.StatusUnauthorized {
		t.Errorf("an API client at the bare address: %d", status)
	}
	for _, path := range []string{"/studio/workspaces", "/studio/events", "/studio/w/rg/wspace/sizes.json",
		"/studio/w/rg/wspace", "/studio/operations"} {
		if status, h, _ := ask(http.MethodGet, path, "", nil); status != http.StatusUnauthorized || h.Get("Content-Security-Policy") == "" {
			t.Errorf("%s without a session: %d %v", path, status, h)
		}
	}
	if status, _, _ := ask(http.MethodPost, "/studio/links", "", nil); status != http.StatusUnauthorized {
		t.Errorf("a link without a token: %d", status)
	}
	_, _, answer := ask(http.MethodPost, "/studio/links", "", nil, "Authorization", "Bearer "+s.Token)
	code := strings.TrimSpace(answer[strings.Index(answer, "code=")+5 : strings.LastIndex(answer, `"`)])
	for _, method := range []string{http.MethodHead, http.MethodGet} { // programs that look at links in messages
		if status, h, _ := ask(method, "/studio/link?code="+code, "", nil); status != http.StatusOK || h.Get("Set-Cookie") != "" {
			t.Errorf("%s of a link: %d %v", method, status, h)
		}
	}
	status, h, _ := ask(http.MethodPost, "/studio/link", "", url.Values{"code": {code}})
	cookie := h.Get("Set-Cookie")
	if status != http.StatusSeeOther || !strings.Contains(cookie, "HttpOnly") ||
		!strings.Contains(cookie, "Secure") || !strings.Contains(cookie, "SameSite=Strict") || !strings.HasPrefix(cookie, "__Host-") {
		t.Fatalf("the link: %d %s", status, cookie)
	}
	if again, _, _ := ask(http.MethodPost, "/studio/link", "", url.Values{"code": {code}}); again != http.StatusUnauthorized {
		t.Errorf("the link is good twice: %d", again)
	}
	session, _, _ := strings.Cut(cookie, ";")
	if status, _, text := ask(http.MethodGet, "/studio/workspaces", session, nil); status != http.StatusOK ||
		!strings.Contains(text, jobWorkspace) {
		t.Errorf("with a session: %d", status)
	}
	if _, _, text := ask(http.MethodGet, "/studio/workspaces", session, nil, "Accept-Language",
		"ko-KR,ko;q=0.9"); !strings.Contains(text, "작업 영역") {
		t.Error("a Korean browser is not answered in Korean")
	}
	form := url.Values{"name": {"evil"}, "group": {jobGroup}, "location": {"westeurope"}}
	if status, _, text := ask(http.MethodPost, "/studio/workspaces", session, form, "Origin", "https://evil.example",
		"Sec-Fetch-Site", "cross-site", "Accept-Language", "ko"); status != http.StatusForbidden || !strings.Contains(text, "다른 사이트에서") {
		t.Errorf("another site's form: %d %s", status, text)
	}
	if r := s.Do(http.MethodGet, s.Workspace(jobGroup, "evil"), nil); r.Status != http.StatusNotFound {
		t.Errorf("another site's form was acted on: %d", r.Status)
	}
	attach := url.Values{"mode": {"existing"}, "cluster": {""}, "name": {"nocluster"}, "go": {"create"}}
	if status, _, _ := ask(http.MethodPost, "/studio/w/"+jobGroup+"/"+jobWorkspace+"/new", session, attach); status != http.StatusBadRequest {
		t.Errorf("an attach without a cluster: %d", status)
	}
	if r := s.Do(http.MethodGet, s.Workspace(jobGroup, jobWorkspace)+"/computes/nocluster", nil); r.Status != http.StatusNotFound {
		t.Errorf("an attach without a cluster created one: %d", r.Status)
	}
	wrong := url.Values{"client": {s.ClientID}, "secret": {"guess"}, "next": {"https://evil.example"}}
	if status, _, text := ask(http.MethodPost, "/studio/sign-in", "", wrong); status != http.StatusUnauthorized ||
		!strings.Contains(text, "AADSTS") || strings.Contains(text, "guess") {
		t.Errorf("a wrong secret: %d %.300s", status, text)
	}
	right := url.Values{"client": {s.ClientID}, "secret": {s.ClientSecret}, "next": {"https://evil.example"}}
	if status, h, _ := ask(http.MethodPost, "/studio/sign-in", "", right); status != http.StatusSeeOther || h.Get("Location") != "/studio/" {
		t.Errorf("the right secret leads to %d %s", status, h.Get("Location"))
	}
	if strings.Contains(s.Log.String(), s.ClientSecret) {
		t.Error("the log has the secret")
	}
}

// TestStopWithAnOpenPage: a page that listens for changes does not keep the server from stopping, and is told that it has ended.
func TestStopWithAnOpenPage(t *testing.T) {
	s := apptest.New(t)
	_, h, _ := studioOf(t, s)(http.MethodPost, "/studio/sign-in", "", url.Values{"client": {s.ClientID}, "secret": {s.ClientSecret}})
	session, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.Endpoint+"/studio/events", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Cookie", session)
	events, err := s.Plain().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = events.Body.Close() }()
	hello := make([]byte, len("event: hello"))
	if _, err := io.ReadFull(events.Body, hello); err != nil || string(hello) != "event: hello" {
		t.Fatalf("%q %v", hello, err)
	}
	s.Stop()
	if _, err := io.Copy(io.Discard, events.Body); err != nil {
		t.Errorf("the stream was broken off: %v", err)
	}
	if strings.Contains(s.Log.String(), "cut off") {
		t.Error(s.Log.String())
	}
}

// TestSessionsEnd: a copy of the cookie is of no use after sign-out, nor after the secret with which the session began was removed.
func TestSessionsEnd(t *testing.T) {
	s := apptest.New(t)
	ask := studioOf(t, s)
	one := s.NewCaller("one")
	s.Assign(one.ObjectID, "acdd72a7-3385-48ef-bd42-f606fba81ae7", "/subscriptions/"+s.SubscriptionID)
	begin := func() string {
		t.Helper()
		_, h, _ := ask(http.MethodPost, "/studio/sign-in", "", url.Values{"client": {one.ClientID}, "secret": {one.ClientSecret}})
		session, _, _ := strings.Cut(h.Get("Set-Cookie"), ";")
		if status, _, text := ask(http.MethodGet, "/studio/workspaces", session, nil); status != http.StatusOK {
			t.Fatalf("%d %.300s", status, text)
		}
		return session
	}
	first, second := begin(), begin()
	if status, _, _ := ask(http.MethodPost, "/studio/sign-out", first, nil); status != http.StatusSeeOther {
		t.Errorf("sign-out: %d", status)
	}
	if status, _, _ := ask(http.MethodGet, "/studio/workspaces", first, nil); status != http.StatusUnauthorized {
		t.Errorf("a copy of the cookie after sign-out: %d", status)
	}
	if status, _, _ := ask(http.MethodGet, "/studio/workspaces", second, nil); status != http.StatusOK {
		t.Errorf("another session of the caller: %d", status)
	}
	graph := func(method, path string, body any) *apptest.Response {
		return s.Send(apptest.Request{Method: method, Path: "/graph/v1.0/servicePrincipals/" + path, Body: body, Raw: true,
			Header: map[string]string{"Authorization": "Bearer " + s.NewToken(s.Endpoint+"/graph/.default")}})
	}
	principal := s.Want(http.StatusOK, graph(http.MethodGet, one.ObjectID, nil)).Body
	key, _ := apptest.At(principal, "passwordCredentials.0.keyId").(string)
	s.Want(http.StatusNoContent, graph(http.MethodPost, one.ObjectID+"/removePassword", apptest.Object{"keyId": key}))
	if status, _, _ := ask(http.MethodGet, "/studio/workspaces", second, nil); status != http.StatusUnauthorized {
		t.Errorf("a session goes on without its secret: %d", status)
	}
}
