package korean

import (
	"regexp"
	"strings"
	"testing"
	"testing/fstest"
)

// speaking are the packages whose sentences reach users.
var speaking = []string{
	".", "arm", "clusters", "graph", "identity", "kube", "provider/local", "images", "reconcile", "rules", "store", "template", "wire",
	"client", "cmd/berth", "app", "seal", "disk", "serving", "bundle", "baseimage", "models", "signin",
}

// unheard are their files that report only to the log or to programs. What plain.go puts together is in sentences/others.txt.
var unheard = regexp.MustCompile(`^\.\./(plain|refusal|app/debug|cmd/berth/(demo\w*|serve|env|azcloud|studio|version|complete)|` +
	`store/(aside|commit|store)|bundle/(store|fetch|unpack)|app/frontdoor|images/(registry|upload)|identity/registry)\.go$`)

// unsaid are texts in them that look like sentences and are none: headers, names, columns, commands, the log, --help, and parts of
// sentences that are never said alone.
var unsaid = strings.Split(strings.TrimSpace(`
The stored record of '%s' cannot be read (%v).
299 berth "%s"
SupportsTags, SupportsLocation
atScope(), atScopeAndBelow(),
Azure PowerShell
Visual Studio
Visual Studio Code
To sign in, use a web browser to open the page %s and enter the code %s to authenticate.
%s/.default offline_access openid profile
'berth.dev/object-id' in request.extra
has(claims.groups) ? claims.groups : []
has(claims.upn) ? claims.upn : claims.oid
names that begin with system: are those of Kubernetes
not a SubjectAccessReview
the roles cannot be read
the token is that of no cluster here
user %s
Berth met an unexpected error.
the answer has no id_token
the id token is of another sign-in: its nonce differs
the provider answers about another user
what the provider says about the user cannot be read: %w
simulated by Berth
namespace: %s
. Did you mean %s?
no end
hosts: files dns
None available
the folder of a removed cluster stays
this machine cannot run real nodes; new clusters have simulated ones
Unreachable since %s
Degraded: %s
No rule is violated.
cluster connect
aks import
Application Support
YAML file with the same settings (dataDir, listen, publicUrl, hosts, …) [$BERTH_CONFIG]
# Opens the secrets in Berth's database. Keep a copy apart from that of the database.
credentials of client %s in tenant %s at %s (secret redacted)
eval "$(berth env)"
rm %s
Bearer %s
Bearer authorization_uri="%s", error="invalid_token", error_description="%s"
in the variable
unreadable record %s
kubectl -n berth-system create token berth-connection --duration 168h > token
client %s in tenant %s at %s (secret redacted)
Perhaps out of memory?
; default: see 'berth configure --defaults %s='
Check it now, instead of at the next periodic check, and show the result.
The exit code is 0 when all conditions are met, and 1 when they are not.
Berth uses the credential once, to create a service account with few rights (berth-connection in the namespace
berth-system), and keeps only short-lived tokens of that account. The credential must be an administrator's. For a
kubeconfig that runs a command to sign in (EKS, GKE, AKS with Entra ID), add --exec-once: this command runs it, never the server.
`), "\n")

func TestWanted(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "*": false, "en": false, "en-US,en;q=0.9,ko;q=0.8": false, "ko": true, "ko-KR": true, "ko-KR,ko;q=0.9,en-US;q=0.8": true,
		"fr": false, "fr, ko;q=0.5": true, "ko;q=0": false, "en;q=0.4, ko;q=0.5": true, "ko-": false,
		strings.Repeat("ko,", 400): false,
	} {
		if got := Wanted(header); got != want {
			t.Errorf("Accept-Language: %.60s: Korean is %v; want %v", header, got, want)
		}
	}
}

func TestText(t *testing.T) {
	for english, want := range map[string]string{
		"The address ranges of a cluster cannot be changed after its creation.": "클러스터의 주소 범위는 만든 뒤에는 변경할 수 없습니다.",
		// Arguments stay, in any order.
		"There is no cluster 'a' in resource group 'rg'. List clusters with 'berth aks list' or 'az aks list'.": "클러스터 'a' 항목이 리소스 그룹 'rg'에 " +
			"없습니다. 'berth aks list' 또는 'az aks list'로 클러스터 목록을 볼 수 있습니다.",
		// An argument that is a sentence itself.
		"The private key cannot be used: it is encrypted; remove its passphrase first (openssl pkey).": "프라이빗 키를 사용할 수 없습니다. 암호화되어 " +
			"있습니다. 먼저 암호를 제거하세요(openssl pkey).",
		// One in quotation marks is a name.
		"Resource group 'service range' could not be found.": "'service range' 리소스 그룹을 찾을 수 없습니다.",
		// Several sentences.
		"Resource group 'a' could not be found. Kubernetes 1.36.0 is supported.": "'a' 리소스 그룹을 찾을 수 없습니다. Kubernetes 1.36.0 버전은 지원됩니다.",
		// Joined messages, and a path before one.
		"Resource group 'a' could not be found.; Kubernetes 1.36.0 is supported.": "'a' 리소스 그룹을 찾을 수 없습니다.; Kubernetes 1.36.0 버전은 지원됩니다.",
		"properties.cert: it is encrypted; remove its passphrase first (openssl pkey)": "properties.cert: 암호화되어 있습니다. 먼저 암호를 제거하세요(openssl " +
			"pkey)",
		// A reason that became a sentence.
		"The kubeconfig is not valid YAML of kind Config.": "kubeconfig가 올바른 YAML(kind: Config)이 아닙니다.",
		// A number must be one.
		"There are many tags; at most 50 are possible.": "There are many tags; at most 50 are possible.",
		"Something that nobody says. Nor this.":         "Something that nobody says. Nor this.",
		"":                                              "",
	} {
		if got := Text(english); got != want {
			t.Errorf("%q\n got %q\nwant %q", english, got, want)
		}
	}
}

// particle is a particle after an argument: which one is right depends on the last sound of the argument.
var particle = regexp.MustCompile(`%(\[\d\])?s['"]?(은|는|이|가|을|를|와|과|로|으로|\((은|는|이|가|을|를|와|과|으)\).?)([ ,.)]|$)`)

// TestPairs: the Korean side has every argument once, and a format and its arguments survive the way there.
func TestPairs(t *testing.T) {
	all, err := read(files)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range all {
		if strings.TrimSpace(p.english) != p.english || strings.TrimSpace(p.korean) != p.korean {
			t.Errorf("%q begins or ends with a space", p.english)
		}
		if !strings.ContainsFunc(p.korean, isHangul) && strings.ContainsFunc(strings.Join(p.literals, ""), isLetter) {
			if p.korean != p.english {
				t.Errorf("%q is not Korean", p.korean)
			}
		}
		if particle.MatchString(p.korean) {
			t.Errorf("%q has a particle that depends on an argument: put a noun before it", p.korean)
		}
		sample, args := p.sample()
		got := Text(sample)
		if len(got) != len(strings.ToValidUTF8(got, "")) || strings.Contains(got, "%!") {
			t.Errorf("%q becomes %q: the verbs differ", p.english, got)
		}
		for _, arg := range args {
			if strings.Count(got, arg) != 1 {
				t.Errorf("%q becomes %q, with the argument %s %d times", p.english, got, arg, strings.Count(got, arg))
			}
		}
		for i := range len(p.literals) - 2 {
			if p.literals[i+1] == "" {
				t.Errorf("%q has two verbs side by side: their arguments cannot be told apart", p.english)
			}
		}
	}
}

// sample is a message of a format, with its arguments.
func (p *pair) sample() (message string, args []string) {
	message = p.literals[0]
	for i, v := range p.verbs {
		arg := "x" + strings.Repeat("q", i+1) + "x"
		if v == 'd' {
			arg = "7" + strings.Repeat("3", i+1) + "7"
		}
		args = append(args, arg)
		message += arg + p.literals[i+1]
	}
	return message, args
}

func isHangul(r rune) bool { return r >= '가' && r <= '힣' }
func isLetter(r rune) bool { return r|0x20 >= 'a' && r|0x20 <= 'z' }

func TestReadReportsDisorder(t *testing.T) {
	for _, text := range []string{"One.\n\n하나.\n", "One.\n하나.\n\nOne.\n둘.\n"} {
		if _, err := read(fstest.MapFS{"sentences/a.txt": {Data: []byte(text)}}); err == nil {
			t.Errorf("%q is accepted", text)
		}
	}
}

// FuzzText: messages have texts of strangers in them.
func FuzzText(f *testing.F) {
	f.Add("The certificate cannot be used: 'a'. b; c: d")
	f.Add(strings.Repeat("a. ", 1000))
	f.Add(". ; : .")
	f.Fuzz(func(t *testing.T, message string) {
		if got := Text(message); len(got) > 40*len(message)+1000 {
			t.Errorf("%d bytes become %d", len(message), len(got))
		}
	})
}

func BenchmarkText(b *testing.B) {
	for name, message := range map[string]string{
		"sentence": "There is no cluster 'a' in resource group 'rg'. List clusters with 'berth aks list' or 'az aks list'.",
		"hostile":  strings.Repeat("a. b; c: ", 800),
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				Text(message)
			}
		})
	}
}
