// usage: NAMESPACE POD PORT. What programs do with @kubernetes/client-node: list, watch, patch, exec, port-forward. One line for each thing done.
import net from 'node:net';
import { PassThrough } from 'node:stream';
import * as k8s from '@kubernetes/client-node';

const [namespace, pod, port] = process.argv.slice(2);
setTimeout(() => { console.log('it took longer than 60 s'); process.exit(1); }, 60000).unref();
const config = new k8s.KubeConfig();
config.loadFromFile(process.env.KUBECONFIG);
const core = config.makeApiClient(k8s.CoreV1Api);
const shown = (data) => Object.entries(data ?? {}).sort().map(([key, value]) => `${key}=${value}`).join(',');

await core.createNamespacedConfigMap({ namespace, body: { metadata: { name: 'node', labels: { 'made-by': 'node' } }, data: { a: '1' } } });
const list = await core.listNamespacedConfigMap({ namespace, labelSelector: 'made-by=node' });
console.log('listed ' + list.items.map((item) => item.metadata.name).join(','));

const seen = [];
const watched = new Promise((resolve, reject) => {
  new k8s.Watch(config).watch(`/api/v1/namespaces/${namespace}/configmaps`, { labelSelector: 'made-by=node', resourceVersion: list.metadata.resourceVersion }, (type, item) => {
    seen.push(`${type} ${shown(item.data)}`);
    if (type === 'DELETED') resolve();
  }, (error) => (error ? reject(error) : resolve()));
});
const patch = (body, type) => core.patchNamespacedConfigMap({ name: 'node', namespace, body, fieldManager: 'node' }, k8s.setHeaderOptions('Content-Type', type));
await patch({ data: { b: '2' } }, k8s.PatchStrategy.MergePatch);
await patch([{ op: 'remove', path: '/data/a' }], k8s.PatchStrategy.JsonPatch);
const patched = await patch({ data: { c: '3' } }, k8s.PatchStrategy.StrategicMergePatch);
console.log('patched ' + shown(patched.data));
await core.deleteNamespacedConfigMap({ name: 'node', namespace });
await watched;
console.log('watched ' + seen.join('; '));

const collect = (stream) => { const parts = []; stream.on('data', (part) => parts.push(part)); return () => Buffer.concat(parts).toString().trim(); };
const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
const [out, err] = [collect(stdout), collect(stderr)];
const status = await new Promise((resolve, reject) => {
  new k8s.Exec(config).exec(namespace, pod, 'a', ['sh', '-c', 'read line; echo out $line; echo err >&2; exit 3'], stdout, stderr, stdin, false, resolve).catch(reject);
  stdin.write('hello\n');
});
console.log(`exec said ${out()} and ${err()}`);
console.log('exec ended with ' + status.details.causes.find((cause) => cause.reason === 'ExitCode').message);

const forward = new k8s.PortForward(config);
const server = net.createServer((socket) => forward.portForward(namespace, pod, [Number(port)], socket, null, socket));
await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
const answer = await new Promise((resolve, reject) => {
  const socket = net.connect(server.address().port, '127.0.0.1', () => socket.write('GET / HTTP/1.0\r\n\r\n'));
  socket.once('data', (data) => resolve(data.toString().split('\r')[0]));
  socket.once('error', reject);
});
console.log('forwarded ' + answer);
process.exit(0);
