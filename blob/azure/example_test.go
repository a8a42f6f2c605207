package azure_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"time"

	"berth.dev/berth/blob"
	"berth.dev/berth/blob/azure"
)

// A client uploads a model by a SAS, and the server reads it.
func Example() {
	ctx := context.Background()
	folder, err := os.MkdirTemp("", "files")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(folder)
	files, err := blob.Open(ctx, blob.Settings{Folder: folder})
	if err != nil {
		panic(err)
	}
	defer files.Close()
	if _, _, err := files.CreateContainer(ctx, "azureml", nil); err != nil {
		panic(err)
	}
	account := &azure.Account{Name: "berth", Key: azure.NewKey(), Store: files}
	server := httptest.NewServer(account) // for the host berth.blob.<suffix>
	defer server.Close()

	sas := account.SAS("azureml", "LocalUpload/model.pkl", "rcw", time.Now().Add(time.Hour))
	put, err := http.NewRequest(http.MethodPut, server.URL+"/azureml/LocalUpload/model.pkl?"+sas, strings.NewReader("weights"))
	if err != nil {
		panic(err)
	}
	put.Header.Set("x-ms-blob-type", "BlockBlob")
	response, err := http.DefaultClient.Do(put)
	if err != nil {
		panic(err)
	}
	response.Body.Close()
	fmt.Println(response.Status)

	info, content, err := files.Get(ctx, blob.At{Container: "azureml", Name: "LocalUpload/model.pkl"}, blob.Whole)
	if err != nil {
		panic(err)
	}
	defer content.Close()
	data, err := io.ReadAll(content)
	fmt.Println(info.Digest[:8], string(data), err)

	// Now and then: names that nothing holds, and content that no name uses.
	_, err = files.Collect(ctx, blob.Sweep{Rest: time.Hour, Uploads: 24 * time.Hour,
		Keep: func(at blob.At, _ blob.Info) bool { return at.Container == "azureml" }})
	fmt.Println(err)
	// Output:
	// 201 Created
	// 9a129038 weights <nil>
	// <nil>
}
