package template

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	goruntime "runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"berth.dev/berth"
)

// attacks are templates that would take all memory, all time or the whole stack without a budget.
func attacks() map[string]string {
	withVariables := func(variables string, expression string) string {
		return `{"variables":` + variables + `,"resources":[],"outputs":{"o":{"type":"object","value":"` + expression + `"}}}`
	}
	property := func(inner string) string { return `{"copy":[{"name":"a","count":800,"input":` + inner + `}]}` }
	doubled := func(first, step string, times int) string {
		parts := []string{`"v0":"` + first + `"`}
		for i := range times {
			parts = append(parts, fmt.Sprintf(`"v%d":"%s"`, i+1, strings.ReplaceAll(step, "V", fmt.Sprintf("variables('v%d')", i))))
		}
		return "{" + strings.Join(parts, ",") + "}"
	}
	chain := []string{`"v0":"x"`}
	for i := range 500 {
		chain = append(chain, fmt.Sprintf(`"v%d":{"a":{"b":{"c":["[variables('v%d')]"]}}}`, i+1, i))
	}
	deep := []string{`"v0":"x"`}
	for i := range 60 {
		deep = append(deep, fmt.Sprintf(`"v%d":%s"[variables('v%d')]"%s`, i+1, strings.Repeat("[", 400), i, strings.Repeat("]", 400)))
	}
	searches := `{"n":"[range(0,10000)]","c":` + property(`"[contains(range(0,10000),-1)]"`) +
		`,"d":` + property(property(`"[indexOf(range(0,10000),-1)]"`)) + `}`
	manyNumbers := func(times int, ranges string) string {
		return `{"n":"[concat(` + strings.Repeat(ranges, times) + `range(0,10000))]"}`
	}
	return map[string]string{
		"a function that calls itself": `{"functions":[{"namespace":"a","members":{"f":{"parameters":[{"name":"x","type":"int"}],` +
			`"output":{"type":"int","value":"[a.f(parameters('x'))]"}}}}],"resources":[],"outputs":{"o":{"type":"int","value":"[a.f(1)]"}}}`,
		"lambdas in lambdas in lambdas": withVariables(`{}`, "[map(range(0,9000),lambda('a',map(range(0,9000),lambda('b',"+
			"map(range(0,9000),lambda('c',lambdaVariables('c')))))))]"),
		"a sort that evaluates much": withVariables(`{}`, "[sort(range(0,10000),lambda('a','b',empty(map(range(0,10000),lambda('c',1)))))]"),
		"a reduction that doubles": withVariables(`{}`, "[string(reduce(range(0,60),'x',lambda('a','b',"+
			"createArray(lambdaVariables('a'),lambdaVariables('a')))))]"),
		"types in types in types": `{"languageVersion":"2.0","definitions":{"d":{"type":"array","items":{"$ref":"#/definitions/d"}}},` +
			`"parameters":{"p":{"$ref":"#/definitions/d","defaultValue":"[map(range(0,9000),lambda('a',range(0,9000)))]"}},"resources":{}}`,
		"copies in copies in copies": withVariables(`{"v":`+property(property(property(`"x"`)))+`}`, "[variables('v')]"),
		"a join of long strings":     withVariables(`{}`, "[join(range(0,10000), padLeft('',300000))]"),
		"a union of many numbers": withVariables(manyNumbers(9, "range(0,10000),range(20000,10000),"),
			"[union(variables('n'),range(30000,10000))]"),
		"an intersection of many":     withVariables(manyNumbers(15, "range(0,10000),"), "[intersection(variables('n'),variables('n'))]"),
		"strings doubled":             withVariables(doubled("0123456789", "[concat(V,V)]", 40), "[variables('v40')]"),
		"arrays doubled":              withVariables(doubled("x", "[createArray(V,V)]", 60), "[string(variables('v60'))]"),
		"a format that repeats":       withVariables(doubled("0123456789", "[format('{0}{0}{0}{0}{0}{0}{0}{0}',V)]", 12), "[variables('v12')]"),
		"a replacement that grows":    withVariables(doubled("aaaaaaaaaa", "[replace(V,'a',V)]", 8), "[variables('v8')]"),
		"text of text of text":        withVariables(doubled(`'`, "[string(createArray(V,V,V))]", 30), "[variables('v30')]"),
		"variables far below another": withVariables("{"+strings.Join(chain, ",")+"}", "[string(variables('v500'))]"),
		"a search again and again":    withVariables(searches, "[variables('d')]"),
		"many resources of many": `{"resources":[` + loop("l", 800) + `,` +
			`"properties":{"copy":[{"name":"a","count":800,"input":"[padLeft('',1000)]"}]}}]}`,
		"many names in dependsOn": `{"resources":[` + loop("l", 800) + `,` +
			`"dependsOn":"[concat(range(0,10000),range(0,10000))]"}]}`,
		"parameters without an end": `{"parameters":{` + longParameters() + `},"resources":[]}`,
		"a search for references in each of many": `{"resources":[` + loop("l", 800) + `,` +
			`"properties":{"x":[` + strings.Repeat(`"[concat(`+strings.Repeat("'a',", 5000)+`'a')]",`, 180) + `1]}}]}`,
		"a loop named again and again": `{"resources":[` + loop("l", 400) + `},` + loop("k", 400) +
			`,"dependsOn":[` + strings.Repeat(`"l",`, 2400) + `"l"]}]}`,
		"outputs that grow in JSON": `{"variables":{"v":"[padLeft('',1900000,'<')]"},"resources":[],"outputs":{` +
			several(20, `"o%d":{"type":"string","value":"[variables('v')]"}`) + `}}`,
		"parameters that grow in JSON": `{"parameters":{"a":{"type":"string","defaultValue":"[padLeft('',1900000,'<')]"},` +
			several(20, `"p%d":{"type":"string","defaultValue":"[parameters('a')]"}`) + `},"resources":[]}`,
		"an array deeper than JSON may be": withVariables("{"+strings.Join(deep, ",")+"}", "[variables('v60')]"),
		"templates in templates": nested(`{"resources":[],"outputs":{"o":{"type":"array","value":"[range(0,10000)]"}},"variables":{"v":`+
			property(property(`"x"`))+`}}`, 30),
	}
}

// loop is a resource with a copy loop, without the closing brace.
func loop(name string, count int) string {
	return fmt.Sprintf(`{"type":"A.B/c","apiVersion":"1","name":"[concat('%[1]s',copyIndex())]","copy":{"name":"%[1]s","count":%[2]d}`,
		name, count)
}

func several(times int, format string) string {
	var all []string
	for i := range times {
		all = append(all, fmt.Sprintf(format, i))
	}
	return strings.Join(all, ",")
}

func longParameters() string {
	return several(5000, `"p%[1]d":{"type":"string","defaultValue":"[parameters('q%[1]d')]"}`)
}

func nested(inner string, times int) string {
	for range times {
		inner = `{"resources":[{"type":"Microsoft.Resources/deployments","apiVersion":"1","name":"n",` +
			`"properties":{"mode":"Incremental","template":` + inner + `}}]}`
	}
	return inner
}

// deploy evaluates a template as a deployment does.
func deploy(text string) error {
	var doc map[string]any
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	t, err := Parse(ctx, doc, nil, testScope)
	if err != nil {
		return err
	}
	return deployAll(t, 0)
}

func deployAll(t *Template, depth int) error {
	plan, err := t.Plan()
	if err != nil {
		return err
	}
	for _, r := range plan.Resources {
		if r.Type == TypeDeployment && depth < 50 {
			inner, err := r.Nested(runtime{}, testScope)
			if err != nil {
				return err
			}
			if err := deployAll(inner, depth+1); err != nil {
				return err
			}
		} else if _, err := r.Body(runtime{}); err != nil {
			return err
		}
	}
	_, err = t.Outputs(plan, runtime{})
	return err
}

const attackVariable = "BERTH_TEST_ATTACK"

// maxPeak is what the process of one attack may take in all: the test binary, the document, the budget, and the garbage between.
const maxPeak = 160 << 20

// TestAttacks: each template is evaluated in a process of its own, which must end by itself, with an error that names the limit or
// with a result, within the budget and in little memory.
func TestAttacks(t *testing.T) {
	if name := os.Getenv(attackVariable); name != "" {
		attack(name)
		return
	}
	for name := range attacks() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestAttacks$")
			cmd.Env = append(os.Environ(), attackVariable+"="+name, "GOMAXPROCS=1")
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "exceeds a limit") && !harmless[name] {
				t.Fatalf("%v\n%.2000s", err, out)
			}
		})
	}
}

// harmless are attacks that end without an error that names a limit: they are refused for another reason, or cheap by now.
var harmless = map[string]bool{
	"a function that calls itself": true, "templates in templates": true,
	"a loop named again and again": true, "many names in dependsOn": true,
}

// raced reports whether the race detector is on, which takes many times the memory.
func raced() bool {
	info, ok := debug.ReadBuildInfo()
	return ok && slices.Contains(info.Settings, debug.BuildSetting{Key: "-race", Value: "true"})
}

// attack evaluates in this process, and exits with an error code when it took too much memory or when the error names no reason.
func attack(name string) {
	err := deploy(attacks()[name])
	fmt.Println(err)
	if e, ok := errors.AsType[*berth.Error](err); err != nil && (!ok || e.Code != CodeInvalidTemplate) {
		os.Exit(3)
	}
	if peak := peakMemory(); peak > maxPeak && !raced() {
		fmt.Println("peak memory:", peak)
		os.Exit(4)
	}
}

// peakMemory is the most that this process has had in memory, in bytes.
func peakMemory() int {
	if goruntime.GOOS != "linux" {
		var m goruntime.MemStats
		goruntime.ReadMemStats(&m)
		return int(m.Sys)
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		panic(err)
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		if text, is := strings.CutPrefix(s.Text(), "VmHWM:"); is {
			n, err := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "kB")))
			if err != nil {
				panic(err)
			}
			return n << 10
		}
	}
	panic("no VmHWM")
}

// TestBudgetErrors: an error names the limit, and the place in the template that exceeds it.
func TestBudgetErrors(t *testing.T) {
	for name, want := range map[string]string{
		"copies in copies in copies":   "limit",
		"a join of long strings":       "outputs.o",
		"a function that calls itself": "cannot call itself",
		"parameters without an end":    "more than 256 parameters",
		"many resources of many":       "limit",
	} {
		err := deploy(attacks()[name])
		e, ok := errors.AsType[*berth.Error](err)
		if !ok || !strings.Contains(err.Error(), want) || len(e.Details) == 0 || e.Details[0].Target == "" {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestBudgetEndsWithItsContext: the evaluation ends when the client closes its connection.
func TestBudgetEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	tpl, err := Parse(ctx, map[string]any{"resources": []any{}, "outputs": map[string]any{"o": map[string]any{
		"type": "array", "copy": map[string]any{"count": 800, "input": "[length(range(0,10000))]"}}}}, nil, testScope)
	if err != nil {
		t.Fatal(err)
	}
	plan, err := tpl.Plan()
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := tpl.Outputs(plan, nil); err == nil || !strings.Contains(err.Error(), "canceled") {
		t.Errorf("it went on: %v", err)
	}
	if tpl.budget.steps > 2*ctxEvery+20000 {
		t.Errorf("it took %d steps more", tpl.budget.steps)
	}
}

// FuzzEvaluate: the evaluation of every template ends, within the budget.
func FuzzEvaluate(f *testing.F) {
	for _, text := range attacks() {
		if len(text) < 4096 {
			f.Add(text)
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		var doc map[string]any
		if json.Unmarshal([]byte(text), &doc) != nil {
			return
		}
		tpl, err := Parse(t.Context(), doc, nil, testScope)
		if err != nil {
			return
		}
		_ = deployAll(tpl, 0)
		if b := tpl.budget; b.steps > maxSteps+1 || b.bytes > maxBytes+1 || b.depth != 0 {
			t.Fatalf("%+v", b)
		}
	})
}
