package models

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"berth.dev/berth"
	"berth.dev/berth/catalog"
	"berth.dev/berth/rules"
	"berth.dev/berth/store"
)

// serviceFacts finds what the request names.
func (s *Server) serviceFacts(q *Request, p *payload, spec *berth.ServiceSpec) (f rules.ServiceFacts, err error) {
	f = rules.ServiceFacts{ComputeType: p.ComputeType, Namespace: p.Namespace, Image: p.Image != nil,
		BothAuths: or(p.KeyAuth, false) && or(p.TokenAuth, false),
		EventHub:  p.DataCollection.EventHubEnabled}
	for _, key := range []string{p.Keys.Primary, p.Keys.Secondary} {
		if key != "" {
			f.Keys = append(f.Keys, key)
		}
	}
	if id, bad := childID(q.workspace.ID, berth.TypeCompute, spec.Compute); bad == nil && spec.Compute != "" {
		if f.ComputeToServe, err = ComputeToServe(q.Context, s.Store, id); err != nil {
			return f, err
		}
	}
	if p.Image == nil {
		return f, nil
	}
	f.EnvironmentToServe = s.environmentFacts(p.Image.Environment, spec.Environment)
	if f.Models = len(p.Image.Models); f.Models > rules.MaxModels || len(spec.Files) > rules.MaxModels {
		f.Models = max(f.Models, len(spec.Files))
		return f, nil
	}
	if f.MissingModels, err = s.findModels(q, p, spec); err != nil {
		return f, err
	}
	f.MissingFiles, err = s.missingFiles(q, spec)
	return f, err
}

// missingFiles are the files of a request that were not uploaded.
func (s *Server) missingFiles(q *Request, spec *berth.ServiceSpec) (out []string, err error) {
	for _, file := range spec.Files {
		_, err := FilesOf(q.Context, s.Files, q.container(), []berth.AssetFiles{{ID: file.File}})
		if berth.ErrorCode(err) == berth.CodeNotFound {
			out = append(out, file.File)
		} else if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// environmentFacts finds what speaks against an environment.
func (s *Server) environmentFacts(asked *environment, e berth.ServiceEnvironment) rules.EnvironmentToServe {
	all := Environment{ServiceEnvironment: e}
	if asked != nil {
		all.Unread, all.BaseImage = asked.unreadPackages(), asked.Docker.BaseImage
		all.Added, all.NoImage = asked.added(), asked.noImage()
	}
	return s.EnvironmentToServe(all)
}

// EnvironmentToServe is what the rules need to know of an environment.
func (s *Server) EnvironmentToServe(e Environment) rules.EnvironmentToServe {
	f := rules.EnvironmentToServe{NoPython: !e.HasImage() && !s.HasPython(), Unread: e.Unread, BaseImage: e.BaseImage, Added: e.Added,
		NoImage: e.NoImage}
	if !e.HasImage() {
		f.Fault = s.Judge(e.ServiceEnvironment)
	}
	return f
}

// findModels adds the models that a request names, and returns the ids that no model has.
func (s *Server) findModels(q *Request, p *payload, spec *berth.ServiceSpec) (missing []string, err error) {
	all, err := s.modelsOf(q)
	if err != nil {
		return nil, err
	}
	for _, id := range p.Image.Models {
		r := among(all, id)
		if r == nil {
			missing = append(missing, id)
			continue
		}
		spec.Models = append(spec.Models, r.ID)
		if spec.NoCode != nil {
			p.frameworkOf(r.Body.(*berth.ModelVersion), spec)
		}
	}
	return missing, nil
}

// ComputeToServe finds a compute, and whether anything runs there.
func ComputeToServe(ctx context.Context, st *store.Store, id berth.ID) (f rules.ComputeToServe, err error) {
	r, err := st.Get(ctx, id)
	if errors.Is(err, store.ErrNotFound) || err == nil && r.Unreadable {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	f.Compute, f.State = r.Body.(*berth.Compute), r.State
	cluster, err := st.Get(ctx, f.Compute.Spec.ClusterID)
	if err != nil || cluster.Unreadable {
		return f, nil // the engine tells what is wrong with the cluster
	}
	spec := cluster.Body.(*berth.Cluster).Spec
	f.Connected = spec.Connected
	f.Unasked = !cluster.Body.(*berth.Cluster).AsksRouter()
	f.Powerless = spec.Connected && !spec.Inference && !spec.KeepCredential
	f.MostCPUs, f.MostMemoryGB = largest(cluster.Body.(*berth.Cluster).Spec.Pools)
	if c := cluster.Body.(*berth.Cluster).Status; c.Simulated {
		f.NoNodes = cmp.Or(strings.TrimSuffix(c.SimulatedBecause, "."), "they are simulated, as was asked for")
	}
	return f, nil
}

// largest are the CPUs and the memory of the largest nodes; 0 when the size of some is not known.
func largest(pools []berth.NodePool) (cpus int, memoryGB float64) {
	for _, p := range pools {
		size, known := catalog.Size(p.VMSize)
		if !known {
			return 0, 0
		}
		cpus, memoryGB = max(cpus, size.VCPUs), max(memoryGB, float64(size.MemoryMiB)/1024)
	}
	return cpus, memoryGB
}
