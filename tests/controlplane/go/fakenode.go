package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/workqueue"
)

// What a test can say of a pod, by annotation, about how its fake node treats it.
const (
	// annMode: ready (the default, and completed for pods that are not restarted),
	// pending (nothing happens), unready (runs, never ready), crash (its
	// containers wait in CrashLoopBackOff), fail (ends in phase Failed).
	annMode = "fakenode.test/mode"
	// annDelay: a Go duration counted from the pod's creation before the node
	// acts on it.
	annDelay = "fakenode.test/delay"
)

const leaseNamespace = "kube-node-lease"

// fakeNode stands in for the kubelets of a few nodes: it registers them, keeps
// them alive and reports the pods bound to them as running. Nothing is run.
type fakeNode struct {
	client kubernetes.Interface
	nodes  map[string]bool
	bind   bool
	pods   cache.SharedIndexInformer
	queue  workqueue.TypedRateLimitingInterface[string]
	ips    atomic.Uint32
}

func runFakeNode() int {
	flags := flag.NewFlagSet("fakenode", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", os.Getenv("KUBECONFIG"), "kubeconfig to use")
	count := flags.Int("nodes", 1, "number of nodes")
	bind := flags.Bool("bind", false, "bind pods that have no node: for a control plane without a scheduler")
	workers := flags.Int("workers", 8, "pods handled at once")
	_ = flags.Parse(os.Args[1:])

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := fakeNodes(ctx, *kubeconfig, *count, *bind, *workers); err != nil {
		fmt.Fprintln(os.Stderr, "fakenode:", err)
		return 1
	}
	return 0
}

func fakeNodes(ctx context.Context, kubeconfig string, count int, bind bool, workers int) error {
	cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	cfg.QPS, cfg.Burst = 500, 1000
	client, err := kubernetes.NewForConfig(cfg)
	if err != nil {
		return err
	}
	f := &fakeNode{
		client: client,
		nodes:  map[string]bool{},
		bind:   bind,
		queue:  workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[string]()),
	}
	for i := range count {
		name := fmt.Sprintf("fake-%d", i)
		f.nodes[name] = true
		if err := f.register(ctx, name); err != nil {
			return fmt.Errorf("register %s: %w", name, err)
		}
		go f.heartbeat(ctx, name)
	}

	f.pods = informers.NewSharedInformerFactory(client, 0).Core().V1().Pods().Informer()
	enqueue := func(obj any) {
		if key, err := cache.MetaNamespaceKeyFunc(obj); err == nil {
			f.queue.Add(key)
		}
	}
	if _, err := f.pods.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    enqueue,
		UpdateFunc: func(_, obj any) { enqueue(obj) },
	}); err != nil {
		return err
	}
	go f.pods.Run(ctx.Done())
	if !cache.WaitForCacheSync(ctx.Done(), f.pods.HasSynced) {
		return ctx.Err()
	}
	for range workers {
		go f.work(ctx)
	}
	<-ctx.Done()
	f.queue.ShutDown()
	return nil
}

func (f *fakeNode) work(ctx context.Context) {
	for {
		key, quit := f.queue.Get()
		if quit {
			return
		}
		after, err := f.sync(ctx, key)
		switch {
		case err != nil:
			if !apierrors.IsConflict(err) && ctx.Err() == nil {
				fmt.Fprintf(os.Stderr, "fakenode: %s: %v\n", key, err)
			}
			f.queue.AddRateLimited(key)
		case after > 0:
			f.queue.Forget(key)
			f.queue.AddAfter(key, after)
		default:
			f.queue.Forget(key)
		}
		f.queue.Done(key)
	}
}

func (f *fakeNode) sync(ctx context.Context, key string) (time.Duration, error) {
	obj, exists, err := f.pods.GetStore().GetByKey(key)
	if err != nil || !exists {
		return 0, err
	}
	pod := obj.(*corev1.Pod)
	pods := f.client.CoreV1().Pods(pod.Namespace)

	if pod.Spec.NodeName == "" {
		if !f.bind || pod.DeletionTimestamp != nil || len(pod.Spec.SchedulingGates) > 0 {
			return 0, nil
		}
		err := pods.Bind(ctx, &corev1.Binding{
			ObjectMeta: metav1.ObjectMeta{Name: pod.Name, Namespace: pod.Namespace, UID: pod.UID},
			Target:     corev1.ObjectReference{Kind: "Node", Name: "fake-0"},
		}, metav1.CreateOptions{})
		return 0, ignoreGone(err)
	}
	if !f.nodes[pod.Spec.NodeName] {
		return 0, nil
	}
	if pod.DeletionTimestamp != nil {
		now := int64(0)
		return 0, ignoreGone(pods.Delete(ctx, pod.Name, metav1.DeleteOptions{
			GracePeriodSeconds: &now,
			Preconditions:      metav1.NewUIDPreconditions(string(pod.UID)),
		}))
	}
	if pod.Status.Phase != corev1.PodPending || pod.Annotations[annMode] == "pending" {
		return 0, nil
	}
	if delay, err := time.ParseDuration(pod.Annotations[annDelay]); err == nil {
		if left := time.Until(pod.CreationTimestamp.Add(delay)); left > 0 {
			return left, nil
		}
	}
	next := pod.DeepCopy()
	f.fill(next)
	_, err = pods.UpdateStatus(ctx, next, metav1.UpdateOptions{})
	return 0, ignoreGone(err)
}

// fill writes the status a kubelet would report for pod, by the pod's mode.
func (f *fakeNode) fill(pod *corev1.Pod) {
	mode := pod.Annotations[annMode]
	once := pod.Spec.RestartPolicy != corev1.RestartPolicyAlways
	now := metav1.Now()
	s := &pod.Status
	s.Phase, s.HostIP, s.StartTime = corev1.PodRunning, "127.0.0.1", &now
	n := f.ips.Add(1)
	s.PodIP = fmt.Sprintf("10.244.%d.%d", n>>8&0xff, n&0xff)
	s.PodIPs = []corev1.PodIP{{IP: s.PodIP}}

	ready := false
	state := func() corev1.ContainerState {
		return corev1.ContainerState{Running: &corev1.ContainerStateRunning{StartedAt: now}}
	}
	ended := func(code int32, reason string) func() corev1.ContainerState {
		return func() corev1.ContainerState {
			return corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
				ExitCode: code, Reason: reason, StartedAt: now, FinishedAt: now}}
		}
	}
	switch {
	case mode == "crash":
		state = func() corev1.ContainerState {
			return corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{
				Reason: "CrashLoopBackOff", Message: "back-off restarting failed container"}}
		}
	case mode == "fail":
		s.Phase, state = corev1.PodFailed, ended(1, "Error")
	case mode == "unready":
	case once:
		s.Phase, state = corev1.PodSucceeded, ended(0, "Completed")
	default:
		ready = true
	}

	report := func(c corev1.Container, st corev1.ContainerState, ready bool) corev1.ContainerStatus {
		started := st.Running != nil
		return corev1.ContainerStatus{Name: c.Name, Image: c.Image, ImageID: "fake:" + c.Image,
			ContainerID: "fake://" + string(pod.UID) + "/" + c.Name, State: st, Ready: ready, Started: &started}
	}
	s.ContainerStatuses, s.InitContainerStatuses = nil, nil
	for _, c := range pod.Spec.Containers {
		s.ContainerStatuses = append(s.ContainerStatuses, report(c, state(), ready))
	}
	for _, c := range pod.Spec.InitContainers {
		st := ended(0, "Completed")()
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			st = state()
		}
		s.InitContainerStatuses = append(s.InitContainerStatuses, report(c, st, true))
	}
	setCondition(s, corev1.PodInitialized, true, "", now)
	reason := ""
	if !ready {
		reason = "ContainersNotReady"
		if s.Phase == corev1.PodSucceeded {
			reason = "PodCompleted"
		}
	}
	setCondition(s, corev1.ContainersReady, ready, reason, now)
	setCondition(s, corev1.PodReady, ready, reason, now)
}

func setCondition(s *corev1.PodStatus, t corev1.PodConditionType, ok bool, reason string, now metav1.Time) {
	want := corev1.PodCondition{Type: t, Status: corev1.ConditionFalse, Reason: reason, LastTransitionTime: now}
	if ok {
		want.Status = corev1.ConditionTrue
	}
	for i := range s.Conditions {
		if s.Conditions[i].Type == t {
			s.Conditions[i] = want
			return
		}
	}
	s.Conditions = append(s.Conditions, want)
}

func (f *fakeNode) register(ctx context.Context, name string) error {
	amounts := corev1.ResourceList{
		corev1.ResourceCPU:              resource.MustParse("1000"),
		corev1.ResourceMemory:           resource.MustParse("1Ti"),
		corev1.ResourceEphemeralStorage: resource.MustParse("1Ti"),
		corev1.ResourcePods:             resource.MustParse("100000"),
	}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{
			"kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "fakenode.test": "true"}},
		Status: corev1.NodeStatus{
			Capacity: amounts, Allocatable: amounts,
			Conditions: nodeConditions(),
			Addresses:  []corev1.NodeAddress{{Type: corev1.NodeHostName, Address: name}},
			NodeInfo: corev1.NodeSystemInfo{KubeletVersion: "fake", OperatingSystem: "linux",
				Architecture: "amd64", ContainerRuntimeVersion: "fake://0"},
		},
	}
	if _, err := f.client.CoreV1().Nodes().Create(ctx, node, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	return nil
}

func nodeConditions() []corev1.NodeCondition {
	now := metav1.Now()
	cond := func(t corev1.NodeConditionType, s corev1.ConditionStatus, reason string) corev1.NodeCondition {
		return corev1.NodeCondition{Type: t, Status: s, Reason: reason, LastHeartbeatTime: now, LastTransitionTime: now}
	}
	return []corev1.NodeCondition{
		cond(corev1.NodeReady, corev1.ConditionTrue, "KubeletReady"),
		cond(corev1.NodeMemoryPressure, corev1.ConditionFalse, "KubeletHasSufficientMemory"),
		cond(corev1.NodeDiskPressure, corev1.ConditionFalse, "KubeletHasNoDiskPressure"),
		cond(corev1.NodePIDPressure, corev1.ConditionFalse, "KubeletHasSufficientPID"),
	}
}

// heartbeat renews the node's lease, which is what keeps the node-lifecycle
// controller from marking the node as unreachable.
func (f *fakeNode) heartbeat(ctx context.Context, name string) {
	leases := f.client.CoordinationV1().Leases(leaseNamespace)
	seconds := int32(40)
	tick := time.NewTicker(10 * time.Second)
	defer tick.Stop()
	for {
		now := metav1.NewMicroTime(time.Now())
		lease, err := leases.Get(ctx, name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			_, err = leases.Create(ctx, &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: leaseNamespace},
				Spec:       coordinationv1.LeaseSpec{HolderIdentity: &name, LeaseDurationSeconds: &seconds, RenewTime: &now},
			}, metav1.CreateOptions{})
		case err == nil:
			lease.Spec.HolderIdentity, lease.Spec.LeaseDurationSeconds, lease.Spec.RenewTime = &name, &seconds, &now
			_, err = leases.Update(ctx, lease, metav1.UpdateOptions{})
		}
		if err != nil && ctx.Err() == nil && !strings.Contains(err.Error(), "not found") {
			fmt.Fprintf(os.Stderr, "fakenode: lease of %s: %v\n", name, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

// ignoreGone drops the errors of acting on an object that is gone meanwhile.
func ignoreGone(err error) error {
	if apierrors.IsNotFound(err) {
		return nil
	}
	return err
}
