package baseimage

import (
	"cmp"
	"path/filepath"
	"slices"

	"pault.ag/go/debian/dependency"
	"pault.ag/go/debian/version"

	"berth.dev/berth"
)

// offered is a package that a mirror has.
type offered struct {
	pinned
	version  version.Version
	depends  []string
	provides string
}

// index holds the newest version of each package, and who provides the virtual ones.
type index struct {
	packages  map[string]*offered
	providers map[string][]string // names of packages
}

func newIndex() *index {
	return &index{packages: map[string]*offered{}, providers: map[string][]string{}}
}

// add takes the packages of a list.
func (x *index) add(list string) error {
	for p := range paragraphs(list) {
		v, err := version.Parse(p["Version"])
		if err != nil {
			return err
		}
		name := p["Package"]
		if old := x.packages[name]; old != nil && version.Compare(old.version, v) >= 0 || !filepath.IsLocal(p["Filename"]) {
			continue
		}
		x.packages[name] = &offered{pinned: pinned{Name: name, Version: p["Version"], File: p["Filename"], SHA256: p["SHA256"]}, version: v,
			depends: []string{p["Pre-Depends"], p["Depends"]}, provides: p["Provides"]}
		provided, err := dependency.Parse(p["Provides"])
		if err != nil {
			return err
		}
		for _, virtual := range provided.GetAllPossibilities() {
			if !slices.Contains(x.providers[virtual.Name], name) {
				x.providers[virtual.Name] = append(x.providers[virtual.Name], name)
			}
		}
	}
	return nil
}

// resolve answers the packages of these names with all that they depend on, in the order of their names.
func (x *index) resolve(names []string) ([]pinned, error) {
	chosen, open := map[string]*offered{}, slices.Clone(names)
	for len(open) > 0 {
		p := x.packages[open[0]]
		if p == nil {
			return nil, berth.Errorf(berth.CodeNotFound, "The mirror has no package '%s'. Name the mirror of a distribution that has it "+
				"(--mirror).", open[0])
		}
		open = open[1:]
		if chosen[p.Name] != nil {
			continue
		}
		chosen[p.Name] = p
		for _, text := range p.depends {
			all, err := dependency.Parse(text)
			if err != nil {
				return nil, err
			}
			for _, relation := range all.Relations {
				next, err := x.satisfy(p, relation, chosen)
				if err != nil {
					return nil, err
				}
				open = append(open, next...)
			}
		}
	}
	out := make([]pinned, 0, len(chosen))
	for _, p := range chosen {
		out = append(out, p.pinned)
	}
	slices.SortFunc(out, func(a, b pinned) int { return cmp.Compare(a.Name, b.Name) })
	return out, nil
}

// satisfy answers what a package needs for one of its dependencies, unless that is chosen or is not needed: the first alternative that the
// mirror has, as apt does.
func (x *index) satisfy(of *offered, relation dependency.Relation, chosen map[string]*offered) ([]string, error) {
	first := ""
	for _, alternative := range relation.Possibilities {
		if slices.Contains(unneeded, alternative.Name) {
			return nil, nil
		}
		for _, name := range x.candidates(alternative) {
			if chosen[name] != nil {
				return nil, nil
			}
			first = cmp.Or(first, name)
		}
	}
	if first == "" {
		return nil, berth.Errorf(berth.CodeNotFound, "The package '%s' needs '%s', which the mirror does not have. Name a mirror that is "+
			"complete (--mirror).",
			of.Name, relation.String())
	}
	return []string{first}, nil
}

// candidates are the packages that fulfil an alternative: itself, or those that provide it.
func (x *index) candidates(p dependency.Possibility) []string {
	if own := x.packages[p.Name]; own != nil && (p.Version == nil || p.Version.SatisfiedBy(own.version)) {
		return []string{p.Name}
	}
	var out []string
	for _, name := range x.providers[p.Name] {
		provided, err := dependency.Parse(x.packages[name].provides)
		if err != nil {
			continue
		}
		for _, v := range provided.GetAllPossibilities() {
			if v.Name == p.Name && provides(v, p) {
				out = append(out, name)
			}
		}
	}
	slices.Sort(out)
	return out
}

// provides reports whether what is provided has the version that is wanted; without a version it fulfils only wishes without one.
func provides(has, wants dependency.Possibility) bool {
	if wants.Version == nil {
		return true
	}
	if has.Version == nil {
		return false
	}
	v, err := version.Parse(has.Version.Number)
	return err == nil && wants.Version.SatisfiedBy(v)
}
