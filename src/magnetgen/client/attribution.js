// Where a visitor came from, told to the forms as `_mg_src`: the first touch and the last one.
// Nothing is stored on the device. Both touches travel in the query parameter `_mg` of the link that is followed,
// and leave the address on arrival, so that no shared or bookmarked address has them.
// Names are short because every page carries this file as it stands, less its comments.
(()=>{
  // The forms' script follows in the same element: whatever goes wrong here must not stop it.
  try{
    // u: this page's address. p: its path, as long as a value may be. m: the parameter. r: where the visitor was.
    let u=new URL(location),{origin:O,pathname:P,searchParams:q}=u,D=document,U=URLSearchParams,J=JSON.stringify,m="_mg",p=P.slice(0,100),r=D.referrer,
    // Adds what a query says to a touch. Only these names are read, so no address brings a key of its own. A value
    // ends at 100 characters (of Unicode: half a pair is no text) or before a control character, which the handler
    // would refuse. 450 bytes a touch keep both and the page below the contract's 1,024; what comes later gives way.
    f=(s,t)=>([...new U(s)].map(x=>x.join("=").replace(/^(utm_\w+|(?:g|fb|tt)clid|msclkid|li_fat_id|referrer|landing)=(\P{Cc}{1,100})/u,(_,k,v)=>new Blob([J([t,k,v])]).size<450&&(t[k]||=v))),t),
    n=f(q,{landing:p});
    // The address may claim a referrer; only the browser knows it. It comes last, as it is the first to give way.
    delete n.referrer;
    r.startsWith(O+"/")||f({referrer:r.split("?")[0]},n);
    // a: first touch. b: last touch. A visit that brings more than its landing page is a new one.
    let [a,b]=(q.get(m)+"~").split("~").map(s=>f(s,{}));
    a=a.landing?a:n;
    b=Object.keys(n)[1]?n:b.landing?b:a;
    for(let i of D.querySelectorAll("[name=_mg_src]"))i.value=J({first:a,last:{...b,page:p}});
    // Just in time, so links stay as they were written. A press comes before every way to follow a link by mouse or
    // touch, its menu too; Enter makes a click. Pages end in / or .html: the rest are files. In-page links only scroll.
    for(let t of["click","pointerdown"])addEventListener(t,e=>{
      let l=e.target.closest("a:not([download])");
      (l+"").startsWith(O+(D.documentElement.dataset.base||"/"))&&/[/l]$/.test(l.pathname)&&(l.pathname!=P||!/#/.test(l))&&(u.href=l,q.set(m,new U(a)+"~"+new U(b)),l.href=u);
    },1);
    q.has(m)&&(q.delete(m),history.replaceState(null,"",u));
  }catch{}
})();
