// Proof of work: a number is looked for with which the SHA-256 of the whole text begins with enough zero bits
// (forms/proof.py says it exactly). A few milliseconds at a time, so that typing never waits. crypto.subtle is slower for
// texts as short as these, and does not exist on pages without TLS.
solvers.mg1=(form,prefix)=>{
  // off: by how much this clock is wrong, once that is known.
  let FRESH=3e6,bits=prefix.split("/")[1],found,made=0,running,used,off=0,me={},
  // K: the fractions of the cube roots of the first 64 primes; H: of the square roots of the first 8.
  K=[],H=[],fraction=x=>(x-Math.floor(x))*2**32|0;
  for(let n=2;K.length<64;n++){
    for(let d=2;d*d<=n;d++)if(n%d==0){n++;d=1;}
    if(K.length<8)H.push(fraction(n**.5));
    K.push(fraction(n**(1/3)));
  }
  K=new Int32Array(K);
  let W=new Int32Array(64),
  // One block of 64 bytes, at `at`, worked into the state s.
  block=(s,view,at)=>{
    // (Taking these apart as a list would take half of the time.)
    let a=s[0],b=s[1],c=s[2],d=s[3],e=s[4],f=s[5],g=s[6],h=s[7],i,x,y;
    for(i=0;i<64;i++){
      if(i<16)W[i]=view.getInt32(at+i*4);
      else{
        x=W[i-15];y=W[i-2];
        W[i]=W[i-16]+W[i-7]+((x>>>7|x<<25)^(x>>>18|x<<14)^x>>>3)+((y>>>17|y<<15)^(y>>>19|y<<13)^y>>>10)|0;
      }
      x=h+((e>>>6|e<<26)^(e>>>11|e<<21)^(e>>>25|e<<7))+(e&f^~e&g)|0;
      x=x+K[i]+W[i]|0;
      y=((a>>>2|a<<30)^(a>>>13|a<<19)^(a>>>22|a<<10))+(a&b^a&c^b&c)|0;
      h=g;g=f;f=e;e=d+x|0;d=c;c=b;b=a;a=x+y|0;
    }
    s[0]+=a;s[1]+=b;s[2]+=c;s[3]+=d;s[4]+=e;s[5]+=f;s[6]+=g;s[7]+=h;
  },
  // The number for a text: tried from 0 on, in slices.
  search=(text,then)=>{
    let bytes=new TextEncoder().encode(text),whole=bytes.length>>6<<6,length=bytes.length-whole,
    start=new Int32Array(H),s=new Int32Array(8),tail=new Uint8Array(128),view=new DataView(tail.buffer),n=0,i,
    slice=()=>{
      for(let end=performance.now()+12;performance.now()<end;)for(let turn=0;turn<64;turn++){
        let digits=""+n,size=length+digits.length,last=size>55?128:64;
        for(i=0;i<digits.length;i++)tail[length+i]=digits.charCodeAt(i);
        tail[size]=128;
        tail.fill(0,size+1);
        view.setUint32(last-4,(whole+size)*8);
        s.set(start);
        for(i=0;i<last;i+=64)block(s,view,i);
        if(Math.clz32(s[0])+(s[0]?0:Math.clz32(s[1]))>=bits)return then(text+n);
        n++;
      }
      setTimeout(slice);
    };
    for(let all=new DataView(bytes.buffer),at=0;at<whole;at+=64)block(start,all,at);
    tail.set(bytes.subarray(whole));
    slice();
  };
  me.ready=()=>found&&Date.now()-made<FRESH;
  me.spent=()=>{found=0;used=1;};
  me.start=()=>{
    if(running||me.ready())return;
    running=1;
    found=0;
    made=Date.now();
    let salt=[...crypto.getRandomValues(new Uint8Array(16))].map(n=>(n+256).toString(16).slice(1)).join("");
    // Still here after the first: perhaps the handler found it too old, or from the future. The site knows the time.
    me.done=(used?fetch(location,{method:"HEAD",cache:"no-store"}):Promise.reject()).then(({headers:h})=>{
      off=Date.parse(h.get("date"))-Date.now()+h.get("age")*1e3||0;
    }).catch(()=>0).then(()=>new Promise(then=>setTimeout(search,0,prefix+Math.floor((made+off)/1e3)+"/"+salt+"/",text=>{
      running=0;
      found=text;
      for(let c of form.querySelectorAll("[name=_mg_pow]"))c.value=text;
      then();
    })));
  };
  return me;
};
