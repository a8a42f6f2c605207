package template

import (
	"context"
	"errors"
	"strings"
	"testing"

	"berth.dev/berth"
)

// TestNewFunctions has the examples of Azure's documentation
// (https://learn.microsoft.com/azure/azure-resource-manager/templates/template-functions).
func TestNewFunctions(t *testing.T) {
	const dogs = `createArray(createObject('name','Evie','age',5),createObject('name','Casper','age',3),createObject('name','Indy','age',2))`
	for expression, want := range map[string]string{
		"[map(" + dogs + ", lambda('dog', format('Hello {0}!', lambdaVariables('dog').name)))]": `["Hello Evie!","Hello Casper!","Hello Indy!"]`,
		"[map(range(5, 2), lambda('v', 'i', add(lambdaVariables('v'), lambdaVariables('i'))))]": `[5,7]`,
		"[filter(range(0, 10), lambda('i', equals(0, mod(lambdaVariables('i'), 2))))]":          `[0,2,4,6,8]`,
		"[filter(range(3, 4), lambda('v', 'i', less(lambdaVariables('i'), 2)))]":                `[3,4]`,
		"[reduce(map(" + dogs + ", lambda('d', lambdaVariables('d').age)), 1, lambda('cur', 'next', " +
			"add(lambdaVariables('cur'), lambdaVariables('next'))))]": `11`,
		"[map(sort(" + dogs + ", lambda('a', 'b', less(lambdaVariables('a').age, lambdaVariables('b').age))), " +
			"lambda('d', lambdaVariables('D').name))]": `["Indy","Casper","Evie"]`,
		"[toObject(" + dogs + ", lambda('e', lambdaVariables('e').name), " +
			"lambda('e', lambdaVariables('e').age))]": `{"Casper":3,"Evie":5,"Indy":2}`,
		"[groupBy(createArray('foo','bar','baz'), " +
			"lambda('x', substring(lambdaVariables('x'), 0, 1)))]": `{"b":["bar","baz"],"f":["foo"]}`,
		"[mapValues(createObject('foo','foo'), lambda('v', toUpper(lambdaVariables('v'))))]":                            `{"foo":"FOO"}`,
		"[map(range(0,2), lambda('a', map(range(0,2), lambda('b', mul(lambdaVariables('a'), lambdaVariables('b'))))))]": `[[0,0],[0,1]]`,
		"[map(createArray('s'), lambda('x', own.twice(lambdaVariables('x'))))]":                                         `["ss"]`,

		"[tryGet(parameters('object'), 'inner', 'list', 1)]": `"y"`,
		"[tryGet(parameters('object'), 'none', 'list')]":     `null`,
		"[tryGet(createArray(1), 4)]":                        `null`,
		"[indexFromEnd(createArray('a','b','c'), 1)]":        `"c"`,
		"[tryIndexFromEnd(createArray('a'), 2)]":             `null`,
		"[objectKeys(createObject('b', 1, 'a', 2))]":         `["a","b"]`,
		"[shallowMerge(createArray(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2))))]": `{"a":{"y":2}}`,

		"[parseCidr('10.144.0.0/20')]": `{"broadcast":"10.144.15.255","cidr":20,"firstUsable":"10.144.0.1","lastUsable":"10.144.15.254",` +
			`"netmask":"255.255.240.0","network":"10.144.0.0"}`,
		"[parseCidr('fdad:3236:5555::/48')]": `{"cidr":48,"firstUsable":"fdad:3236:5555::",` +
			`"lastUsable":"fdad:3236:5555:ffff:ffff:ffff:ffff:ffff","netmask":"ffff:ffff:ffff::","network":"fdad:3236:5555::"}`,
		"[cidrSubnet('10.144.0.0/20', 24, 4)]":                                   `"10.144.4.0/24"`,
		"[cidrSubnet('fdad:3236:5555::/48', 52, 4)]":                             `"fdad:3236:5555:4000::/52"`,
		"[cidrSubnet('10.0.0.0/8', 8, 0)]":                                       `"10.0.0.0/8"`,
		"[cidrHost('10.144.3.0/24', 4)]":                                         `"10.144.3.5"`,
		"[cidrHost('fdad:3236:5555:3000::/52', 0)]":                              `"fdad:3236:5555:3000::1"`,
		"[cidrHost('10.0.0.0/30', 1)]":                                           `"10.0.0.2"`,
		"[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2')]":         `["1"]`,
		"[pickZones('Microsoft.Compute', 'virtualMachines', 'West US 2', 2, 1)]": `["2","3"]`,
		"[pickZones('Microsoft.Compute', 'virtualMachines', 'westus')]":          `[]`,
		"[pickZones('Microsoft.Cdn', 'profiles', 'westus2')]":                    `[]`,
		"[providers('Microsoft.KeyVault', 'Vaults').apiVersions[0]]":             `"2024-01-01"`,
	} {
		if got := evaluate(t, expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
}

func TestNewFunctionsRefuse(t *testing.T) {
	for expression, word := range map[string]string{
		"[fail('pick another region')]":                                           "pick another region",
		"[lambda('x', 1)]":                                                        "only be an argument of filter, groupBy",
		"[concat(lambda('x', 1))]":                                                "only be an argument of filter",
		"[map(range(0, 1), 7)]":                                                   "a lambda is expected",
		"[map(range(0, 1), lambda('a', 'b', 'c', 1))]":                            "1 to 2 variables, not 3",
		"[map(range(0, 1), lambda(concat('a'), 1))]":                              "strings in quotes",
		"[map(range(0, 1), lambda('x', lambdaVariables('y')))]":                   "no lambda around it has the variable 'y'",
		"[filter(range(0, 1), lambda('x', 1))]":                                   "must return true or false",
		"[sort(range(0, 3), lambda('a', 'b', fail('no order')))]":                 "no order",
		"[toObject(range(0, 1), lambda('x', 1))]":                                 "must return a string",
		"[map('a', lambda('x', 1))]":                                              "an array is expected, not a string",
		"[map(range(0,10000), lambda('a', map(range(0,10000), lambda('b', 1))))]": "exceeds a limit",
		"[sort(range(0,10000), lambda('a', 'b', empty(filter(range(0,10000), lambda('c', true())))))]":          "exceeds a limit",
		"[reduce(range(0,60), 'x', lambda('a', 'b', createArray(lambdaVariables('a'), lambdaVariables('a'))))]": "exceeds a limit",
		"[indexFromEnd(createArray(1), 2)]":                                 "no element 2 from the end",
		"[cidrSubnet('10.0.0.0/16', 8, 0)]":                                 "from 16 to 32",
		"[cidrSubnet('10.0.0.0/16', 24, 256)]":                              "no subnet of /24 with the index 256",
		"[cidrHost('10.0.0.0/30', 2)]":                                      "no usable address",
		"[parseCidr('10.0.0.0')]":                                           "not an address range",
		"[pickZones('Microsoft.Compute', 'virtualMachines', 'westus2', 4)]": "3 zones",
		"[providers('Microsoft.KeyVault', 'nothing')]":                      "does not serve",
	} {
		if got := evaluate(t, expression); !strings.HasPrefix(got, "error: ") || !strings.Contains(strings.ToLower(got), strings.ToLower(word)) {
			t.Errorf("%.80s is %.200s, want an error with %q", expression, got, word)
		}
	}
}

// TestFunctionsOfATemplate: since languageVersion 2.0 they may call one another, and never themselves.
func TestFunctionsOfATemplate(t *testing.T) {
	const text = `{"languageVersion":"VERSION","definitions":{"short":{"type":"string","maxLength":3}},
		"functions":[{"namespace":"f","members":{
		"one":{"parameters":[{"name":"x","$ref":"#/definitions/short"}],"output":{"type":"string","value":"[concat(parameters('x'),'1')]"}},
		"two":{"parameters":[{"name":"x","type":"string"}],"output":{"type":"string","value":"[f.one(parameters('x'))]"}},
		"back":{"parameters":[],"output":{"type":"string","value":"[f.forth()]"}},
		"forth":{"parameters":[],"output":{"type":"string","value":"[f.back()]"}}}}],
		"resources":{},"outputs":{"o":{"type":"string","value":"EXPRESSION"}}}`
	for _, c := range []struct{ version, expression, want string }{
		{"2.0", "[f.two('a')]", "a1"},
		{"2.0", "[f.two('long')]", "more than maxLength"},
		{"2.0", "[f.two(1)]", "its type is string"},
		{"2.0", "[f.back()]", "cannot call itself"},
		{"1.0", "[f.two('a')]", "only if the template has the languageVersion 2.0"},
	} {
		got := output(t, strings.NewReplacer("VERSION", c.version, "EXPRESSION", c.expression).Replace(text), nil)
		if !strings.Contains(got, c.want) {
			t.Errorf("%s with version %s is %s, want %s", c.expression, c.version, got, c.want)
		}
	}
}

// output is the output o of a template, or the errors of the template.
func output(t *testing.T, text string, values map[string]any) string {
	t.Helper()
	tpl, err := Parse(context.Background(), document(t, text), values, testScope)
	var plan *Plan
	var out map[string]any
	if err == nil {
		plan, err = tpl.Plan()
	}
	if err == nil {
		out, err = tpl.Outputs(plan, runtime{})
	}
	if err != nil {
		var all []string
		e, _ := errors.AsType[*berth.Error](err)
		for _, d := range e.Details {
			all = append(all, d.Message)
		}
		return strings.Join(all, "\n")
	}
	v, _ := out["o"].(map[string]any)["value"].(string)
	return v
}
