package korean

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// prose is a text for people: two words at least.
var prose = regexp.MustCompile(`[A-Za-z]{2,}.* .*[a-z]`)

// silent are calls whose texts no user sees in an answer: the log, and texts for programs.
var silent = regexp.MustCompile(`(?i)(^|\.)(log\.(debug|info|warn|error)|mustcompile|header\(\)\.set|h\.set|contains|hasprefix|guid|` +
	`handle(func)?|command|onmodel|onservice|onendpoint|ondeployment|family|\w*varp?|\w*flag|fixedcompletions)$`)

// help are the fields of commands with the text of --help, which is English.
var help = regexp.MustCompile(`^(Use|Short|Long|Example|Version|usage|CommonName)$`)

// spoken is what a folder of source says: the formats of its sentences, and all of its texts.
type spoken struct {
	prose map[string]token.Position
	all   map[string]bool
}

func listen(t *testing.T, dirs ...string) spoken {
	t.Helper()
	out := spoken{map[string]token.Position{}, map[string]bool{}}
	for _, dir := range dirs {
		names, err := filepath.Glob(filepath.Join("..", dir, "*.go"))
		if err != nil || len(names) == 0 {
			t.Fatalf("%s: %v", dir, err)
		}
		files := token.NewFileSet()
		var parsed []*ast.File
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") || unheard.MatchString(filepath.ToSlash(name)) {
				continue
			}
			f, err := parser.ParseFile(files, name, nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			parsed = append(parsed, f)
		}
		s := speaker{files: files, constants: map[string]string{}, to: out}
		for _, f := range parsed {
			ast.Inspect(f, s.constant)
		}
		for _, f := range parsed {
			ast.Inspect(f, s.visit)
		}
	}
	return out
}

type speaker struct {
	files     *token.FileSet
	constants map[string]string
	to        spoken
}

// constant remembers the texts of constants.
func (s speaker) constant(n ast.Node) bool {
	if d, isDecl := n.(*ast.GenDecl); isDecl && d.Tok == token.CONST {
		for _, spec := range d.Specs {
			v := spec.(*ast.ValueSpec)
			for i := range v.Values {
				if text, isText := s.fold(v.Values[i]); isText {
					s.constants[v.Names[i].Name] = text
				}
			}
		}
	}
	return true
}

// visit takes down every text, a concatenation as one: what is not constant in it becomes %s.
func (s speaker) visit(n ast.Node) bool {
	switch n := n.(type) {
	case *ast.ImportSpec:
		return false
	case *ast.Field:
		if n.Tag != nil {
			return false
		}
	case *ast.CallExpr:
		if !silent.MatchString(nameOf(n.Fun)) {
			return true
		}
		for _, arg := range n.Args { // what a command does is no text of --help
			if f, isFunction := arg.(*ast.FuncLit); isFunction {
				ast.Inspect(f.Body, s.visit)
			}
		}
		return false
	case *ast.AssignStmt:
		to, isField := n.Lhs[0].(*ast.SelectorExpr)
		return !isField || !help.MatchString(to.Sel.Name)
	case *ast.KeyValueExpr:
		return !help.MatchString(nameOf(n.Key))
	case *ast.BasicLit, *ast.BinaryExpr:
		text, isText := s.fold(n.(ast.Expr))
		if !isText {
			return true
		}
		s.lines(text, n.Pos())
		if b, isSum := n.(*ast.BinaryExpr); isSum { // calls inside it say something of their own
			for _, side := range []ast.Expr{b.X, b.Y} {
				ast.Inspect(side, func(n ast.Node) bool {
					if c, isCall := n.(*ast.CallExpr); isCall {
						ast.Inspect(c, s.visit)
						return false
					}
					return true
				})
			}
		}
		return false
	}
	return true
}

// lines takes down each line of a text.
func (s speaker) lines(text string, at token.Pos) {
	for line := range strings.SplitSeq(text, "\n") {
		line = strings.TrimSpace(line)
		s.to.all[line] = true
		if prose.MatchString(line) && !program.MatchString(line) {
			s.to.prose[line] = s.files.Position(at)
		}
	}
}

// program is a text for programs: SQL, a line of YAML, the pattern of a route, a date, a command line.
var program = regexp.MustCompile(`^(ORDER BY|LISTEN|VACUUM FULL|read) (due_at|berth|secrets|committed)|^(WITH|RETURNING|\) SELECT) |` +
	`^(SELECT|FROM|UPDATE|INSERT|DELETE|PRAGMA|CREATE TABLE|SAVEPOINT|ROLLBACK|RELEASE|GET|POST|PATCH) |` +
	` = (\?|0|'')|^(id|key), |excluded\.|^(ON CONFLICT|generation,|message,) |^(- )?\w+: \S+$|GMT$|ssZ$|` +
	`^microsoft\.|^australiaeast |^(berth|-i) [^i]`)

func nameOf(e ast.Expr) string {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name
	case *ast.SelectorExpr:
		return nameOf(e.X) + "." + e.Sel.Name
	case *ast.CallExpr:
		return nameOf(e.Fun) + "()"
	}
	return ""
}

func (s speaker) fold(e ast.Expr) (string, bool) {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return s.fold(e.X)
	case *ast.Ident:
		text, isText := s.constants[e.Name]
		return text, isText
	case *ast.BasicLit:
		if e.Kind != token.STRING {
			return "", false
		}
		text, err := strconv.Unquote(e.Value)
		return text, err == nil
	case *ast.BinaryExpr:
		x, isText := s.fold(e.X)
		y, isTextToo := s.fold(e.Y)
		if e.Op != token.ADD || !isText && !isTextToo {
			return "", false
		}
		if !isText {
			x = "%s"
		}
		if !isTextToo {
			y = "%s"
		}
		return x + y, true
	}
	return "", false
}

// TestEverySentenceHasItsPair reads the source: each sentence of a package that speaks to users has a Korean one, and each pair is
// of a sentence that is still said.
func TestEverySentenceHasItsPair(t *testing.T) {
	all, err := read(files)
	if err != nil {
		t.Fatal(err)
	}
	pairs := map[string]bool{}
	for _, p := range all {
		pairs[p.english] = true
	}
	said := listen(t, speaking...)
	for _, text := range slices.Sorted(keys(said.prose)) {
		if !pairs[text] && !slices.Contains(unsaid, text) {
			t.Errorf("%s: %q has no Korean pair: add it to korean/sentences/", said.prose[text], text)
		}
	}
	for _, p := range all {
		if !said.all[p.english] && p.file != "others.txt" {
			t.Errorf("no package says %q any more: remove its pair", p.english)
		}
	}
	for _, text := range unsaid {
		if !said.all[text] {
			t.Errorf("no package has the text %q any more: remove it from unsaid", text)
		}
	}
}

func keys[V any](m map[string]V) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}
