package wire_test

import (
	"testing"

	"berth.dev/berth/wire"
)

// TestKorean: Berth's sentences are translated where they stand, and the same text elsewhere is what a caller sent.
func TestKorean(t *testing.T) {
	const said = `"The cluster answers."`
	const korean = `"클러스터가 응답합니다."`
	for answer, want := range map[string]string{
		// Sentences.
		`{"error":{"code":"A","details":[{"message":` + said + `,"target":"x"}],"message":` + said + `}}`: `{"error":{"code":"A","details":` +
			`[{"message":` + korean + `,"target":"x"}],"message":` + korean + `}}`,
		`{"properties":{"conditions":[{"message":` + said + `}]}}`: `{"properties":{"conditions":[{"message":` + korean + `}]}}`,
		`{"value":[{"properties":{"notes":[` + said + `],"steps":[{"message":` + said + `}]}}]}`: `{"value":[{"properties":{"notes":[` + korean +
			`],"steps":[{"message":` + korean + `}]}}]}`,
		`{"checks":[{"detail":` + said + `,"ok":true}],"warnings":[{"message":` + said + `}]}`: `{"checks":[{"detail":` + korean +
			`,"ok":true}],"warnings":[{"message":` + korean + `}]}`,
		`{"properties":{"statusMessage":` + said + `}}`: `{"properties":{"statusMessage":` + korean + `}}`,
		`{"properties":{"statusMessage":{"error":{"message":` + said + `}}}}`: `{"properties":{"statusMessage":{"error":{"message":` +
			korean + `}}}}`,
		`{"properties":{"provisioningErrors":[{"error":{"message":` + said + `},"message":` + said + `}]}}`: `{"properties":{` +
			`"provisioningErrors":[{"error":{"message":` + korean + `},"message":` + korean + `}]}}`,
		// What callers sent.
		`{"name":` + said + `,"tags":{"message":` + said + `}}`:                                  ``,
		`{"properties":{"description":` + said + `,"parameters":{"message":` + said + `}}}`:      ``,
		`{"properties":{"outputs":{"error":{"message":` + said + `}},"x":{"warnings":[1e400]}}}`: ``,
		// What is no object.
		`[` + said + `]`: ``, said: ``, `no JSON`: ``, `{} {}`: ``,
	} {
		if want == "" {
			want = answer
		}
		if got := string(wire.Korean([]byte(answer))); got != want {
			t.Errorf("%s\n got %s\nwant %s", answer, got, want)
		}
	}
}
