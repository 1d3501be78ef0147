// A plain Go client: gorilla/websocket, encoding/json and maps. Answers a line on standard input with its figures.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"github.com/gorilla/websocket"
)

type association struct {
	Parent string `json:"parent"`
	Child  string `json:"child"`
}

type message struct {
	Source      string `json:"source"`
	Destination string `json:"destination"`
	Method      string `json:"method"`
	Path        string `json:"path"`
	HTTPStatus  int    `json:"httpStatus"`
}

type pair struct{ source, destination string }

var (
	mutex    sync.Mutex
	parents  = map[string]string{}
	counts   = map[pair]int{}
	messages int
)

func receive(connection *websocket.Conn) {
	for {
		_, data, err := connection.ReadMessage()
		if err != nil {
			return
		}
		if data[0] == '[' {
			var list []association
			if json.Unmarshal(data, &list) != nil {
				continue
			}
			mutex.Lock()
			for _, one := range list {
				parents[one.Child] = one.Parent
			}
			mutex.Unlock()
			continue
		}
		var one message
		if json.Unmarshal(data, &one) != nil {
			continue
		}
		mutex.Lock()
		counts[pair{parents[one.Source], parents[one.Destination]}]++
		messages++
		mutex.Unlock()
	}
}

func main() {
	connection, _, err := websocket.DefaultDialer.Dial(os.Args[1], nil)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	go receive(connection)
	asked := bufio.NewScanner(os.Stdin)
	for asked.Scan() {
		var memory runtime.MemStats
		if asked.Text() == "memory" {
			runtime.GC()
		}
		runtime.ReadMemStats(&memory)
		var usage syscall.Rusage
		syscall.Getrusage(syscall.RUSAGE_SELF, &usage)
		cpu := (usage.Utime.Sec+usage.Stime.Sec)*1000000 + usage.Utime.Usec + usage.Stime.Usec
		mutex.Lock()
		fmt.Printf("{\"messages\":%d,\"cpuMicros\":%d,\"memoryBytes\":%d}\n", messages, cpu, memory.HeapAlloc)
		mutex.Unlock()
	}
}
