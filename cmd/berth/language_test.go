package main

import (
	"strings"
	"testing"
)

func TestLanguageOf(t *testing.T) {
	for _, c := range []struct{ all, messages, lang, want string }{
		{"", "", "", ""},
		{"", "", "ko_KR.UTF-8", "ko"},
		{"", "", "ko", "ko"},
		{"C", "", "ko_KR.UTF-8", ""},
		{"", "en_US.UTF-8", "ko_KR.UTF-8", ""},
		{"", "ko_KR.UTF-8", "en_US.UTF-8", "ko"},
		{"ko_KR", "en_US", "en_US", "ko"},
		{"", "", "kok_IN", ""}, // Konkani
	} {
		env := map[string]string{"LC_ALL": c.all, "LC_MESSAGES": c.messages, "LANG": c.lang}
		if got := languageOf(func(name string) string { return env[name] }); got != c.want {
			t.Errorf("%v: %q", c, got)
		}
	}
}

// TestInKorean: the server is asked for Korean, and what the client and the commands write themselves is Korean too. Codes, names and
// commands stay.
func TestInKorean(t *testing.T) {
	w := newWorld(t).fill()
	t.Setenv("LANG", "ko_KR.UTF-8")
	w.on("PUT "+computePath, `400 {"error":{"code":"BadRequest","message":"요청","details":[`+
		`{"code":"BadRequest","message":"vCPU가 부족합니다.","target":"agentCount"}]}}`)
	r := offTerminal("ml", "computetarget", "create", "aks", "-n", "c", "-g", "g", "-w", "w")
	if w.language != "ko" || !strings.Contains(r.err, "ERROR: (BadRequest) 요청\n  - agentCount: vCPU가 부족합니다.\n") {
		t.Errorf("Accept-Language %q: %s", w.language, r.err)
	}
	for line, want := range map[string]string{
		"aks shw":               "ERROR: 'shw' 명령은 'berth aks'에 없습니다. 다음을 뜻하셨습니까: show?\n명령의 옵션을 보려면 --help를 추가하세요.\n",
		"aks show -n k":         "ERROR: 다음 인수가 필요합니다: --resource-group/-g\n",
		"aks show -n k --nme x": "ERROR: 알 수 없는 옵션: --nme. 다음을 뜻하셨습니까: --name?\n",
		"group delete -n g":     "ERROR: 표준 입력이 터미널이 아니어서 확인할 수 없습니다(리소스 그룹 g 및 그 안의 모든 것 삭제). 확인하려면 --yes(-y)를 추가하세요\n",
	} {
		if r := offTerminal(strings.Fields(line)...); !strings.HasPrefix(r.err, want) {
			t.Errorf("berth %s: %q", line, r.err)
		}
	}
	w.on("DELETE "+clusterPath, "202 {}")
	w.on("GET "+operationPath, `{"status":"InProgress","properties":{"message":"stopping and removing the cluster"}}`,
		`{"status":"Failed","error":{"code":"OperationTimedOut","message":"The server ended 3 times while it worked on 'k', `+
			`so Berth gave that up. Change the request, or delete the resource."}}`)
	r = offTerminal("aks", "delete", "-n", "k", "-g", "g", "--yes")
	want := "클러스터를 삭제하는 중: k: 클러스터를 중지하고 제거하는 중\nERROR: (OperationTimedOut) 'k' 리소스를 처리하는 동안 서버가 3번 종료되어"
	if !strings.HasPrefix(r.err, want) {
		t.Errorf("%q", r.err)
	}
	t.Setenv("BERTH_DATA_DIR", "/nowhere/at/all")
	if r := offTerminal("group", "list"); !strings.HasPrefix(r.err, "ERROR: /nowhere/at/all 폴더에 자격 증명이 없습니다. `berth serve`로") {
		t.Errorf("%q", r.err)
	}
}

// TestWarningsInKorean: a header is English in any language, so the warnings of the resource stand for it.
func TestWarningsInKorean(t *testing.T) {
	w := newWorld(t).fill()
	t.Setenv("LC_ALL", "ko_KR.UTF-8")
	w.header = map[string]string{"Content-Language": "ko", "Warning": `299 berth "Kept only."`}
	kept := `{"id":"` + clusterPath + `","name":"k","properties":{"warnings":[` +
		`{"code":"Warning","target":"properties.zones","message":"보관만 합니다."}]}}`
	w.on("PUT "+clusterPath, kept)
	w.on("GET "+clusterPath, kept)
	r := offTerminal("aks", "create", "-n", "k", "-g", "g")
	if r.err != "WARNING: properties.zones: 보관만 합니다.\n" {
		t.Errorf("%q", r.err)
	}
}
