package template

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"
)

var testScope = Scope{
	SubscriptionID: "0b1f6471-1bf0-4dda-aec3-cb9272f09590", TenantID: "7c3e2f10-0000-4000-8000-000000000001",
	Group: "Team-RG", GroupLocation: "westeurope", GroupTags: map[string]string{"team": "vision"},
	Deployment: "first", Now: time.Date(2026, 3, 1, 9, 5, 7, 0, time.UTC),
	Environment: map[string]any{"name": "AzureCloud", "suffixes": map[string]any{"keyvaultDns": ".vault.berth.internal"}},
	Deployer:    map[string]any{"objectId": "o"},
	Provider: func(namespace string) (map[string]any, error) {
		return map[string]any{"namespace": namespace, "resourceTypes": []any{
			map[string]any{"resourceType": "vaults", "apiVersions": []any{"2024-01-01"}},
		}}, nil
	},
}

// evaluate is the JSON of an expression's value, or its error.
func evaluate(t *testing.T, expression string) string {
	t.Helper()
	type object = map[string]any
	variables := object{
		"long": "[concat(parameters('name'), '-', variables('short'))]", "short": "s", "circle": "[variables('circle')]",
		"copy":  []any{object{"name": "names", "count": 3, "input": "[concat('n', copyIndex('names', 1))]"}},
		"huge0": "[range(0, 100)]",
	}
	for i := range 9 {
		triple := "[createArray(variables('huge%[1]d'), variables('huge%[1]d'), variables('huge%[1]d'))]"
		variables[fmt.Sprintf("huge%d", i+1)] = fmt.Sprintf(triple, i)
	}
	twice := object{
		"parameters": []any{object{"name": "s", "type": "string"}},
		"output":     object{"type": "string", "value": "[concat(parameters('s'), parameters('s'))]"},
	}
	tpl, err := Parse(context.Background(), object{
		"resources": []any{},
		"parameters": object{
			"name": object{"type": "string", "defaultValue": "aks"}, "count": object{"type": "int", "defaultValue": 3},
			"object": object{"type": "object", "defaultValue": object{"Inner": object{"list": []any{"x", "y"}}}},
		},
		"variables": variables,
		"functions": []any{object{"namespace": "own", "members": object{"twice": twice}}},
	}, nil, testScope)
	if err != nil {
		t.Fatal(err)
	}
	v, err := (&env{t: tpl, inDefault: true}).text(expression)
	if err != nil {
		return "error: " + err.Error()
	}
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestFunctions(t *testing.T) {
	subscription := "/subscriptions/" + testScope.SubscriptionID
	for expression, want := range map[string]string{
		"plain":                   `"plain"`,
		"[[not one]":              `"[not one]"`,
		"[":                       `"["`,
		"['it''s']":               `"it's"`,
		"[ add ( 1 , -2 ) ]":      `-1`,
		"[parameters('NAME')]":    `"aks"`,
		"[variables('long')]":     `"aks-s"`,
		"[variables('names')[2]]": `"n3"`,
		"[parameters('object').inner['LIST'][1]]":       `"y"`,
		"[parameters('object').?nothing]":               `null`,
		"[own.twice('ab')]":                             `"abab"`,
		"[concat('a', 1, true())]":                      `"a1True"`,
		"[concat(createArray(1), createArray('b'))]":    `[1,"b"]`,
		"[format('{0}-{1:D3} {{x}}', 'a', 7)]":          `"a-007 {x}"`,
		"[toLower('ABC')]":                              `"abc"`,
		"[toUpper('abc')]":                              `"ABC"`,
		"[trim('  a ')]":                                `"a"`,
		"[replace('a-b-c', '-', '')]":                   `"abc"`,
		"[substring('abcdef', 2, 3)]":                   `"cde"`,
		"[split('a,b;c', createArray(',', ';'))]":       `["a","b","c"]`,
		"[join(createArray('a', 1), '-')]":              `"a-1"`,
		"[padLeft(7, 3, '0')]":                          `"007"`,
		"[startsWith('Abc', 'aB')]":                     `true`,
		"[endsWith('abC', 'bc')]":                       `true`,
		"[indexOf('abcb', 'B')]":                        `1`,
		"[lastIndexOf('abcb', 'b')]":                    `3`,
		"[length('äöü')]":                               `3`,
		"[contains('abc', 'b')]":                        `true`,
		"[contains(parameters('object'), 'inner')]":     `true`,
		"[contains(createArray(1, 2), 2)]":              `true`,
		"[empty('')]":                                   `true`,
		"[empty(createArray(1))]":                       `false`,
		"[first(createArray(1, 2))]":                    `1`,
		"[last('abc')]":                                 `"c"`,
		"[take('abc', 2)]":                              `"ab"`,
		"[skip(createArray(1, 2, 3), 1)]":               `[2,3]`,
		"[union(createArray(1, 2), createArray(2, 3))]": `[1,2,3]`,
		"[union(createObject('a', createObject('x', 1)), createObject('a', createObject('y', 2)))]": `{"a":{"x":1,"y":2}}`,
		"[intersection(createArray(1, 2), createArray(2, 3))]":                                      `[2]`,
		"[range(2, 3)]":                         `[2,3,4]`,
		"[items(createObject('b', 1, 'a', 2))]": `[{"key":"a","value":2},{"key":"b","value":1}]`,
		"[min(3, 1, 2)]":                        `1`,
		"[max(createArray(3, 7))]":              `7`,
		"[add(2, 3)]":                           `5`,
		"[sub(2, 3)]":                           `-1`,
		"[mul(2, 3)]":                           `6`,
		"[div(7, 2)]":                           `3`,
		"[mod(7, 2)]":                           `1`,
		"[equals('a', 'A')]":                    `false`,
		"[equals(createArray(1, 'a'), createArray(1, 'a'))]": `true`,
		"[less(1, 2)]":                          `true`,
		"[lessOrEquals('b', 'a')]":              `false`,
		"[greater(2, 1)]":                       `true`,
		"[greaterOrEquals(2, 2)]":               `true`,
		"[and(true(), false())]":                `false`,
		"[or(false(), true())]":                 `true`,
		"[not(true())]":                         `false`,
		"[if(true(), 1, div(1, 0))]":            `1`,
		"[coalesce(null(), 'x')]":               `"x"`,
		"[bool('TRUE')]":                        `true`,
		"[int('42')]":                           `42`,
		"[string(createArray(1))]":              `"[1]"`,
		"[json('{\"a\": [1, 2.5]}').a[1]]":      `2.5`,
		"[float('1.5')]":                        `1.5`,
		"[array('a')]":                          `["a"]`,
		"[base64('abc')]":                       `"YWJj"`,
		"[base64ToString('YWJj')]":              `"abc"`,
		"[base64ToJson(base64('{\"a\":1}')).a]": `1`,
		"[uri('https://x/a/', 'b')]":            `"https://x/a/b"`,
		"[uriComponent('a b&c')]":               `"a%20b%26c"`,
		"[uriComponentToString('a%20b')]":       `"a b"`,
		"[dataUriToString(dataUri('hi'))]":      `"hi"`,
		"[flatten(createArray(createArray(1), createArray(2)))]": `[1,2]`,
		"[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]": `"` + subscription +
			`/resourceGroups/Team-RG/providers/Microsoft.Network/virtualNetworks/v/subnets/s"`,
		"[resourceId('other', 'Microsoft.X/y', 'z')]":              `"` + subscription + `/resourceGroups/other/providers/Microsoft.X/y/z"`,
		"[subscriptionResourceId('Microsoft.X/y', 'z')]":           `"` + subscription + `/providers/Microsoft.X/y/z"`,
		"[extensionResourceId('/a', 'Microsoft.X/y', 'z')]":        `"/a/providers/Microsoft.X/y/z"`,
		"[tenantResourceId('Microsoft.X/y', 'z')]":                 `"/providers/Microsoft.X/y/z"`,
		"[resourceGroup().location]":                               `"westeurope"`,
		"[resourceGroup().tags.team]":                              `"vision"`,
		"[subscription().subscriptionId]":                          `"0b1f6471-1bf0-4dda-aec3-cb9272f09590"`,
		"[deployment().name]":                                      `"first"`,
		"[tenant().tenantId]":                                      `"7c3e2f10-0000-4000-8000-000000000001"`,
		"[environment().name]":                                     `"AzureCloud"`,
		"[environment().suffixes.keyVaultDns]":                     `".vault.berth.internal"`,
		"[deployer().objectId]":                                    `"o"`,
		"[utcNow()]":                                               `"20260301T090507Z"`,
		"[utcNow('yyyy-MM-dd')]":                                   `"2026-03-01"`,
		"[utcNow('u')]":                                            `"2026-03-01 09:05:07Z"`,
		"[dateTimeAdd('2026-01-31', 'P1M')]":                       `"2026-03-03T00:00:00Z"`,
		"[dateTimeAdd('2026-03-01 09:00:00Z', '-PT90M', 'HH:mm')]": `"07:30"`,
		"[dateTimeToEpoch('1970-01-02T00:00:00Z')]":                `86400`,
		"[dateTimeFromEpoch(0)]":                                   `"1970-01-01T00:00:00Z"`,
		"[resourceId('Microsoft.X/y/', 'z')]":                      `"` + subscription + `/resourceGroups/Team-RG/providers/Microsoft.X/y/z"`,
		"[length(newGuid())]":                                      `36`,
	} {
		if got := evaluate(t, expression); got != want {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
}

// TestHashes compares with values of Azure's own library, and with version-5 UUIDs in Azure's documented namespace.
func TestHashes(t *testing.T) {
	for expression, want := range map[string]string{
		"[uniqueString('/subscriptions/31e9f9a0-9fd2-4294-a0a3-0101246d9700/resourceGroups/rg-modm201-20230913120256" +
			"/providers/Microsoft.Compute/virtualMachines/bobjacmodm201')]": "yvjxno3je5on2",
		"[uniqueString('/subscriptions/00000000-0000-0000-0000-000000000000', 'resource-id')]": "cwvxuqg24sifi",
		"[uniqueString('test')]":      "rbgf3xv4ufgzg",
		"[uniqueString('fu')]":        "6rkxbspxjmsho",
		"[guid('a')]":                 "3703365d-5a9f-59b4-bca7-b9681389e4c1",
		"[guid('a', 'b')]":            "2d796349-8c7e-55ec-9624-54ece82ed031",
		"[uniqueString('fubar')]":     "cj2xpqsiwjfne",
		"[uniqueString('fu', 'bar')]": "q5wxoscxs5j6k",
	} {
		if got := evaluate(t, expression); got != `"`+want+`"` {
			t.Errorf("%s is %s, want %s", expression, got, want)
		}
	}
}

func TestFunctionsRefuse(t *testing.T) {
	for expression, word := range map[string]string{
		"[nothing()]":                             "there is no function 'nothing'",
		"[concat('a']":                            "',' or ')'",
		"[concat('a)]":                            "not closed",
		"[x]":                                     "not followed by '('",
		"[1 2]":                                   "goes on at position",
		"[parameters('zzz')]":                     "declares no parameter 'zzz'",
		"[variables('zzz')]":                      "no variable 'zzz'",
		"[variables('circle')]":                   "refers to itself",
		"[copyIndex()]":                           "inside a copy loop",
		"[parameters('object').zzz]":              "there is no property 'zzz'; there are: Inner",
		"[range(0, 3)[7]]":                        "there is no element 7",
		"[parameters('name').x]":                  "a string has no properties",
		"[add('a', 1)]":                           "a whole number is expected",
		"[div(1, 0)]":                             "divides by zero",
		"[mul(9223372036854775807, 2)]":           "too large",
		"[not(1)]":                                "not true or false",
		"[if(1, 2, 3)]":                           "not true or false",
		"[substring('abc', 2, 5)]":                "more than the 3",
		"[toLower(1)]":                            "a string is expected",
		"[reference('x')]":                        "no resource exists yet",
		"[listKeys('x', '1')]":                    "no resource exists yet",
		"[resourceId('a', 'b', 'c', 'd')]":        "a resource type such as",
		"[resourceId('Microsoft.X/y', 'a', 'b')]": "takes 1 name(s), not 2",
		"[base64ToString('%')]":                   "not base64",
		"[json('{')]":                             "not JSON",
		"[dateTimeAdd('x', 'P1D')]":               "ISO 8601",
		"[dateTimeAdd('2026-01-01', 'P')]":        "ISO 8601",
		"[format('{5}', 1)]":                      "there are 1",
		"[own.nothing()]":                         "there is no function 'own.nothing'",
		"[own.twice()]":                           "takes 1 argument(s), not 0",
		"[toLower()]":                             "takes 1 argument(s), not 0",
		"[split('a', '')]":                        "a delimiter must not be empty",
		"[variables('huge9')]":                    "exceeds a limit",
		"[padLeft('', 4000000)]":                  "exceeds a limit",
		"[" + strings.Repeat("not(", 100) + "true()" + strings.Repeat(")", 100) + "]": "nested more than",
	} {
		if got := evaluate(t, expression); !strings.HasPrefix(got, "error: ") || !strings.Contains(got, word) {
			t.Errorf("%.60s is %s, want an error with %q", expression, got, word)
		}
	}
}

func FuzzExpression(f *testing.F) {
	for _, seed := range []string{
		"[concat('a', 1)]", "[parameters('object').inner['list'][0]]", "[format('{0:D3}', 7)]", "[if(true(), 1, 2)]", "[[x]",
		"[a.b('c').?d]", "[resourceId('a/b', 'c')]", "[utcNow('yyyy')]", "[padLeft('a', 9, 'b')]",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		tpl, err := Parse(context.Background(), map[string]any{"resources": []any{}}, nil, testScope)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = (&env{t: tpl, inDefault: true}).text(s) // must return
	})
}
