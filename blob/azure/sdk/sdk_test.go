// Package sdk tests the blob protocol with the storage library of the Azure SDK for Go. It is a module of its own because that library
// brings more with it than the product should depend on.
package sdk

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/streaming"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/blockblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/container"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/sas"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/service"

	berth "berth.dev/berth/blob"
	"berth.dev/berth/blob/azure"
)

// world is an account at https://berth.blob.example.com, which only this client resolves.
type world struct {
	t       *testing.T
	url     string
	key     *blob.SharedKeyCredential
	options azcore.ClientOptions
	service *service.Client
}

func newWorld(t *testing.T) *world {
	t.Helper()
	store, err := berth.Open(t.Context(), berth.Settings{Folder: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	account := &azure.Account{Name: "berth", Key: azure.NewKey(), Store: store}
	server := httptest.NewTLSServer(account)
	t.Cleanup(server.Close)
	transport := server.Client().Transport.(*http.Transport).Clone()
	transport.DialContext = func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, server.Listener.Addr().String())
	}
	transport.TLSClientConfig.ServerName = "example.com" // the name in the test server's certificate
	w := &world{t: t, url: "https://berth.blob.example.com/"}
	w.options = azcore.ClientOptions{Transport: &http.Client{Transport: transport}, Retry: policy.RetryOptions{MaxRetries: -1}}
	if w.key, err = blob.NewSharedKeyCredential("berth", base64.StdEncoding.EncodeToString(account.Key)); err != nil {
		t.Fatal(err)
	}
	w.service, err = service.NewClientWithSharedKeyCredential(w.url, w.key, &service.ClientOptions{ClientOptions: w.options})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.service.CreateContainer(t.Context(), "work", nil); err != nil {
		t.Fatal(err)
	}
	return w
}

// check fails the test at an error.
func check[T any](t *testing.T, what string) func(T, error) T {
	return func(value T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		return value
	}
}

func ptr[T any](value T) *T { return &value }

func noise(size int64) []byte {
	data, _ := io.ReadAll(io.LimitReader(rand.NewChaCha8([32]byte{byte(size)}), size))
	return data
}

// TestLibrary is what a program does with an account key.
func TestLibrary(t *testing.T) {
	w := newWorld(t)
	client := w.service.NewContainerClient("work")
	for _, size := range []int64{0, 1, 5 << 20} {
		name := fmt.Sprintf("LocalUpload/모델 %d+%%&?#.pkl", size)
		one, content := client.NewBlockBlobClient(name), noise(size)
		check[blockblob.UploadBufferResponse](t, "upload")(one.UploadBuffer(t.Context(), content, &blockblob.UploadBufferOptions{
			BlockSize: 1 << 20, Concurrency: 4, Metadata: map[string]*string{"upload_status": ptr("completed")},
			HTTPHeaders: &blob.HTTPHeaders{BlobContentType: ptr("text/x")},
		}))
		properties := check[blob.GetPropertiesResponse](t, "properties")(one.GetProperties(t.Context(), nil))
		if *properties.ContentLength != size || *properties.ContentType != "text/x" || *properties.Metadata["Upload_status"] != "completed" {
			t.Errorf("%s has %+v", name, properties)
		}
		got := make([]byte, size)
		check[int64](t, "download")(one.DownloadBuffer(t.Context(), got, &blob.DownloadBufferOptions{BlockSize: 1 << 20, Concurrency: 4}))
		if !bytes.Equal(got, content) {
			t.Errorf("%s came back as another", name)
		}
		check[blockblob.UploadStreamResponse](t, "stream")(one.UploadStream(t.Context(), bytes.NewReader(content), &blockblob.UploadStreamOptions{
			BlockSize: 1 << 20, Concurrency: 3}))
		stream := check[blob.DownloadStreamResponse](t, "stream")(one.DownloadStream(t.Context(), nil))
		if got, err := io.ReadAll(stream.Body); err != nil || !bytes.Equal(got, content) {
			t.Errorf("%s came back as another stream: %v", name, err)
		}
		stream.Body.Close()
		_, err := one.Upload(t.Context(), streaming.NopCloser(bytes.NewReader(content)), &blockblob.UploadOptions{
			AccessConditions: &blob.AccessConditions{ModifiedAccessConditions: &blob.ModifiedAccessConditions{IfNoneMatch: ptr(azcore.ETagAny)}}})
		if !bloberror.HasCode(err, bloberror.BlobAlreadyExists) {
			t.Errorf("a second one: %v", err)
		}
		check[blob.SetMetadataResponse](t, "metadata")(one.SetMetadata(t.Context(), map[string]*string{"version": ptr("1")}, nil))
		check[blob.SetHTTPHeadersResponse](t, "headers")(one.SetHTTPHeaders(t.Context(), blob.HTTPHeaders{BlobContentType: ptr("text/y")}, nil))
	}
	check[blob.DeleteResponse](t, "delete")(client.NewBlobClient("LocalUpload/모델 0+%&?#.pkl").Delete(t.Context(), nil))
	_, err := client.NewBlobClient("LocalUpload/모델 0+%&?#.pkl").GetProperties(t.Context(), nil)
	if !bloberror.HasCode(err, bloberror.BlobNotFound) {
		t.Errorf("a deleted blob: %v", err)
	}
	if got := w.names(client, nil); !slices.Equal(got, []string{"LocalUpload/모델 1+%&?#.pkl", "LocalUpload/모델 5242880+%&?#.pkl"}) {
		t.Errorf("the blobs are %q", got)
	}
}

// names lists a container in pages of one.
func (w *world) names(client *container.Client, prefix *string) (all []string) {
	w.t.Helper()
	options := &container.ListBlobsFlatOptions{Prefix: prefix, MaxResults: ptr(int32(1)), Include: container.ListBlobsInclude{Metadata: true}}
	for pages := client.NewListBlobsFlatPager(options); pages.More(); {
		for _, item := range check[container.ListBlobsFlatResponse](w.t, "list")(pages.NextPage(w.t.Context())).Segment.BlobItems {
			all = append(all, *item.Name)
		}
	}
	return all
}

// TestSAS uses SAS that the library makes.
func TestSAS(t *testing.T) {
	w := newWorld(t)
	one := w.service.NewContainerClient("work").NewBlockBlobClient("a b/모델")
	check[blockblob.UploadBufferResponse](t, "upload")(one.UploadBuffer(t.Context(), []byte("weights"), nil))
	end := time.Now().Add(time.Hour)
	for name, c := range map[string]struct {
		values sas.BlobSignatureValues
		code   bloberror.Code
	}{
		"a blob":      {sas.BlobSignatureValues{BlobName: "a b/모델", Permissions: "r", ExpiryTime: end, Protocol: sas.ProtocolHTTPS}, ""},
		"a container": {sas.BlobSignatureValues{Permissions: "rl", ExpiryTime: end, StartTime: time.Now().Add(-time.Hour)}, ""},
		"ended":       {sas.BlobSignatureValues{Permissions: "r", ExpiryTime: time.Now().Add(-time.Minute)}, bloberror.AuthenticationFailed},
		"other blob":  {sas.BlobSignatureValues{BlobName: "other", Permissions: "r", ExpiryTime: end}, bloberror.AuthenticationFailed},
		"to write":    {sas.BlobSignatureValues{Permissions: "w", ExpiryTime: end}, bloberror.AuthorizationPermissionMismatch},
	} {
		c.values.ContainerName = "work"
		query := check[sas.QueryParameters](t, name)(c.values.SignWithSharedKey(w.key))
		options := &blob.ClientOptions{ClientOptions: w.options}
		client := check[*blob.Client](t, name)(blob.NewClientWithNoCredential(one.URL()+"?"+query.Encode(), options))
		_, err := client.GetProperties(t.Context(), nil)
		var failed *azcore.ResponseError
		if c.code == "" && err != nil || c.code != "" && (!errors.As(err, &failed) || failed.ErrorCode != string(c.code)) {
			t.Errorf("%s: %v", name, err)
		}
	}
	account := check[string](t, "SAS of the account")(w.service.GetSASURL(
		sas.AccountResourceTypes{Service: true, Container: true, Object: true}, sas.AccountPermissions{Read: true, List: true}, end, nil))
	client := check[*azblob.Client](t, "client")(azblob.NewClientWithNoCredential(account, &azblob.ClientOptions{ClientOptions: w.options}))
	if got := w.names(client.ServiceClient().NewContainerClient("work"), ptr("a b")); !slices.Equal(got, []string{"a b/모델"}) {
		t.Errorf("the blobs are %q", got)
	}
	pages := client.NewListContainersPager(nil)
	all := check[azblob.ListContainersResponse](t, "containers")(pages.NextPage(t.Context())).ContainerItems
	if len(all) != 1 || *all[0].Name != "work" {
		t.Errorf("the containers are %+v", all)
	}
	info := check[service.GetAccountInfoResponse](t, "account")(client.ServiceClient().GetAccountInfo(t.Context(), nil))
	if *info.AccountKind != "StorageV2" {
		t.Errorf("the account is %+v", info)
	}
}

// TestBlocks uploads blocks with a hash of each, and asks what has arrived.
func TestBlocks(t *testing.T) {
	w := newWorld(t)
	one := w.service.NewContainerClient("work").NewBlockBlobClient("big")
	ids := []string{"AAAA", "AAAB"}
	for _, id := range ids {
		check[blockblob.StageBlockResponse](t, "stage")(one.StageBlock(t.Context(), id, streaming.NopCloser(bytes.NewReader(noise(100))),
			&blockblob.StageBlockOptions{TransactionalValidation: blob.TransferValidationTypeComputeCRC64()}))
	}
	list := check[blockblob.GetBlockListResponse](t, "list")(one.GetBlockList(t.Context(), blockblob.BlockListTypeAll, nil))
	if len(list.UncommittedBlocks) != 2 {
		t.Errorf("the blocks are %+v", list)
	}
	check[blockblob.CommitBlockListResponse](t, "commit")(one.CommitBlockList(t.Context(), ids, nil))
	stream := check[blob.DownloadStreamResponse](t, "range")(one.DownloadStream(t.Context(), &blob.DownloadStreamOptions{
		Range: blob.HTTPRange{Offset: 90, Count: 20}, RangeGetContentMD5: ptr(true)}))
	defer stream.Body.Close()
	want := append(noise(100)[90:], noise(100)[:10]...)
	if got, err := io.ReadAll(stream.Body); err != nil || !bytes.Equal(got, want) || len(stream.ContentMD5) != 16 {
		t.Errorf("the range is %x, %v", got, err)
	}
	properties := check[container.GetPropertiesResponse](t, "container")(w.service.NewContainerClient("work").GetProperties(t.Context(), nil))
	if properties.ETag == nil || properties.LastModified == nil {
		t.Errorf("the container is %+v", properties)
	}
	check[service.DeleteContainerResponse](t, "delete")(w.service.DeleteContainer(t.Context(), "work", nil))
}
