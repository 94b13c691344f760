-- One key of etcd over its HTTP gateway, for wrk: "/key".
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
wrk.body = '{"key":"L2tleQ=="}'
