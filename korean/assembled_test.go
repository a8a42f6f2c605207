package korean_test

import (
	"context"
	"errors"
	"net"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"berth.dev/berth"
	"berth.dev/berth/korean"
	"berth.dev/berth/rules"
)

// TestAssembled translates sentences as the packages put them together.
func TestAssembled(t *testing.T) {
	at := time.Date(2026, 11, 24, 9, 31, 0, 0, time.UTC)
	cluster := berth.NewID("s", "rg", berth.TypeCluster, "k")
	compute := berth.NewID("s", "rg", berth.TypeCompute, "ws", "c")
	address := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}
	refused := &net.OpError{Op: "dial", Net: "tcp", Addr: address, Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	silent := berth.Sentence(&url.Error{Op: "Get", URL: "https://127.0.0.1:1/api", Err: refused})
	var health berth.Health
	health.Note(at, berth.Met(berth.NodesReady, true, "AllReady", "3 of 3 nodes are ready."))
	health.Lose(at, berth.NodesReady)
	taken := &berth.TakenError{Cluster: cluster, Holder: compute.String(), Since: at, Name: "ci"}
	elsewhere := &berth.TakenError{Cluster: cluster, Holder: "/x/y", Since: at, Server: "b-1"}
	wanted := berth.ComputeSpec{Type: berth.ComputeAKS, Purpose: berth.FastProd, AgentCount: 2, VMSize: "Standard_D3_v2", Namespace: "default",
		LoadBalancerType: "PublicIp"}
	few := rules.AsError(rules.Compute("c", wanted, rules.ComputeFacts{})) // its name is too short, too
	damaged := &berth.UnreadableError{Name: "c", Why: errors.New("its checksum does not match: the file was damaged")}
	for _, c := range []struct{ english, want string }{
		{rules.AlreadyAttached(taken).Message, "'k' 클러스터는 이미 연결되어 있습니다. 연결한 곳: 컴퓨팅 'c'(작업 영역 'ws', 리소스 그룹 'rg'). " +
			"연결 시각: 2026-11-24 09:31 UTC, 호출자 'ci'. 먼저 그곳에서 분리하세요."},
		{rules.AlreadyAttached(elsewhere).Message, "'k' 클러스터는 이미 연결되어 있습니다. 연결한 곳: /x/y. " +
			"연결 시각: 2026-11-24 09:31 UTC, 다른 Berth(b-1)."},
		{rules.Explain(&berth.TakenOverError{Cluster: cluster, By: compute, At: at}).Message, "다음 컴퓨팅이 'k' 클러스터를 넘겨받았습니다: " +
			"컴퓨팅 'c'(작업 영역 'ws', 리소스 그룹 'rg'). 시각: 2026-11-24 09:31 UTC. 이 컴퓨팅을 분리하세요."},
		{rules.Explain(damaged).Message, "'c' 항목의 저장된 레코드를 읽을 수 없습니다(체크섬이 맞지 않습니다. 파일이 손상되었습니다). " +
			"삭제하거나 백업을 복원하세요."},
		{few.Message, "요청이 규칙 2개를 위반합니다."},
		{few.Details[1].Message, "FastProd 용도의 클러스터에는 vCPU가 12개 이상 필요합니다: 노드 2개 × vCPU 4개(Standard_D3_v2) = 8개입니다."},
		{health.Conditions[0].Message, "클러스터가 응답하지 않습니다. 2026-11-24 09:31 UTC의 상태: 노드 3개 중 3개가 준비되었습니다."},
		{"The cluster does not answer: " + silent + ".", "클러스터가 응답하지 않습니다. 연결 실패(127.0.0.1:1): 연결이 거부됨."},
		{"trying again: The cluster 'k' does not answer: " + berth.Sentence(context.DeadlineExceeded) + ".",
			"다시 시도하는 중: 'k' 클러스터가 응답하지 않습니다. 제시간에 응답이 오지 않았습니다."},
		{"2 of 2 nodes are ready, with 8 vCPUs together. FastProd needs 12 vCPUs: add nodes, or attach it with the purpose DevTest.",
			"노드 2개 중 2개가 준비되었고, vCPU는 모두 8개입니다. FastProd 용도에는 vCPU가 12개 필요합니다. 노드를 추가하거나 DevTest 용도로 연결하세요."},
		{"waiting for 2 pods to leave node n1: a disruption budget keeps pod a/b",
			"Pod 2개가 노드를 떠나기를 기다리는 중: n1: 중단 예산(disruption budget)이 Pod a/b의 퇴거를 막고 있습니다"},
		{"The create of 'c' did not finish within 20 minutes, so Berth gave it up. The last error: " + silent,
			"'c' 리소스의 작업(create)이 20분 안에 끝나지 않아 Berth가 포기했습니다. 마지막 오류: 연결 실패(127.0.0.1:1): 연결이 거부됨"},
		{"In the nested deployment 'n': Deployment template validation failed: parameters.x: the value is a string, and its type is int.",
			"중첩 배포 'n': 배포 템플릿의 유효성 검사에 실패했습니다. parameters.x: 값의 종류가 형식과 다릅니다. 값: 문자열, 형식: int."},
		{"The service account 'berth' in the namespace 'x' was kept, because Berth did not make it.",
			"Berth가 만들지 않은 개체는 남겨 두었습니다: 서비스 계정 'berth' (네임스페이스 'x')."},
		{"get, list nodes: The size of the cluster, and which of its nodes are ready.",
			"get, list nodes: 클러스터의 크기와 준비된 노드를 확인합니다."},
		{"The kubeconfig cannot be used: the kubeconfig has several YAML documents; give one.",
			"kubeconfig를 사용할 수 없습니다. kubeconfig에 YAML 문서가 여러 개 있습니다. 하나만 보내세요."},
	} {
		if got := korean.Text(c.english); !strings.HasPrefix(got, c.want) {
			t.Errorf("%q\n got %q\nwant %q", c.english, got, c.want)
		}
	}
}
