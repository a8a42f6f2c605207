package main

import (
	"os"
	"strings"
	"testing"

	load "golang.org/x/tools/go/packages"
)

// TestOtherPlatforms: the programs that users elsewhere run are sound Go for macOS and Windows too. Their packages are checked from the
// sources; `make cross` and `make dist` also compile and link them, which takes minutes.
func TestOtherPlatforms(t *testing.T) {
	for _, platform := range []string{"darwin/arm64", "windows/amd64"} {
		t.Run(platform, func(t *testing.T) {
			system, processor, _ := strings.Cut(platform, "/")
			with := &load.Config{Dir: "..", Env: append(os.Environ(), "GOOS="+system, "GOARCH="+processor, "CGO_ENABLED=0")}
			with.Mode = load.NeedName | load.NeedDeps | load.NeedImports
			roots, err := load.Load(with, "./cmd/berth")
			if err != nil {
				t.Fatal(err)
			}
			own := map[string]bool{} // only what is named is checked to the bodies of its functions
			load.Visit(roots, nil, func(p *load.Package) {
				if strings.HasPrefix(p.PkgPath, "berth.dev/berth") {
					own[p.PkgPath] = true
				}
			})
			names := []string{}
			for name := range own {
				names = append(names, name)
			}
			with.Mode = load.LoadAllSyntax
			all, err := load.Load(with, names...)
			if err != nil {
				t.Fatal(err)
			}
			if len(all) < 20 {
				t.Errorf("only %d packages of Berth were found", len(all))
			}
			load.Visit(all, nil, func(p *load.Package) {
				for _, fault := range p.Errors {
					t.Errorf("%s: %v", p.PkgPath, fault)
				}
			})
		})
	}
}
