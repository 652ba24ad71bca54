// Help for capture forms: faults said beside their fields, addresses put right, sending without leaving the page.
// Without this script, or where a form says `plain` (its handler is another's), the browser sends by itself.
(()=>{
  let D=document,start=performance.now(),fields="input,select,textarea",mail="[type=email]",
  $=id=>D.getElementById(id),
  tag=(name,text,more)=>Object.assign(D.createElement(name),{textContent:text},more),
  shown=c=>c.tabIndex>=0&&c.getClientRects()[0],
  // Providers that are mistyped most, and real ones that look like a mistyped one.
  names="gmail googlemail hotmail outlook yahoo icloud ymail mail email cloud".split(" "),
  // One letter too few, too many, different, or swapped with the next.
  near=(a,b)=>{
    while(a&&a[0]==b[0]){a=a.slice(1);b=b.slice(1);}
    return a.slice(1)==b||a==b.slice(1)||a.slice(1)==b.slice(1)||a[0]==b[1]&&a[1]==b[0]&&a.slice(2)==b.slice(2);
  };
  for(let form of D.querySelectorAll("form[data-mg-form]")){
    // A field called `action` or `submit` hides the form's own. No field's name has a capital letter: nothing else is
    // used of the form here.
    let find=s=>form.querySelector(s),all=s=>[...form.querySelectorAll(s)],attr=s=>form.getAttribute(s),on=(type,f)=>form.addEventListener(type,f),
    summary=find("[data-mg-summary]"),status=find("[data-mg-status]"),button=find("button"),own=JSON.parse(attr("data-words")||"{}"),busy,key,content,
    words={
      required:"Please fill this in.",
      email:"Please check this address.",
      pattern:"Please check this.",
      suggest:"Did you mean {value}?",
      summary:"Please check ({count}):",
      sending:"Sending…",
      failed:"This did not work. Please try again.",
      ...own
    },
    named=name=>all(fields).filter(c=>c.name==name),
    // A group's texts are its fieldset's.
    box=c=>!$(c.id+"-error")&&c.closest("fieldset")||c,
    // No message: no fault.
    mark=(c,message)=>{
      let e=$(box(c).id+"-error");
      named(c.name).map(c=>c.setAttribute("aria-invalid",!!message));
      if(e){e.textContent=message;e.hidden=!message;}
    },
    // faults: pairs of a control, if there is one, and a message.
    show=(text,faults)=>{
      let list=tag("ul");
      all(fields).map(c=>mark(c,""));
      for(let [c,message] of faults){
        let item=tag("li",message);
        if(c){
          mark(c,message);
          item.replaceChildren(tag("a",(box(c)==c?c.labels[0]:box(c).querySelector("legend")).firstChild.textContent.trim()+": "+message,{href:"#"+c.id}));
        }
        list.append(item);
      }
      summary.replaceChildren(tag("p",text.replace("{count}",faults.length)),list);
      summary.hidden=!text;
      summary.focus();
    },
    wait=now=>{
      busy=button.disabled=now;
      button.setAttribute("aria-busy",now);
      status.textContent=now?words.sending:"";
    },
    fail=()=>{wait(false);show(words.failed,[]);},
    send=async()=>{
      named("_mg_t").map(c=>c.value=Math.round(performance.now()-start));
      let body=new URLSearchParams(new FormData(form)),url=new URL(attr("action"),location),headers={Accept:"application/json"},answer,
      now=[...body].filter(x=>!x[0].startsWith("_mg_"))+"";
      // The same answers again are the same submission, whatever became of the first.
      if(now!=content){
        content=now;
        key=[...crypto.getRandomValues(new Uint8Array(16))].map(n=>(n+256).toString(16).slice(1)).join("");
      }
      // To another origin a header of one's own would cost a preflight.
      if(url.origin==location.origin)headers["Idempotency-Key"]=key;else body.set("_mg_idem",key);
      wait(true);
      try{answer=await fetch(url,{method:"POST",headers,body});}
      catch{
        // No answer: perhaps something refuses scripts. The browser's own way is safe under the same key; offline it
        // would only lose the page. If it leads nowhere either, the visitor is told.
        if(!navigator.onLine)return fail();
        let idem=form.appendChild(tag("input","",{type:"hidden",name:"_mg_idem",value:key}));
        HTMLFormElement.prototype.submit.call(form);
        idem.remove();
        return setTimeout(fail,1e4);
      }
      let {next,errors}=await answer.json().catch(()=>0)||{};
      if(answer.ok&&next){
        // Sent once more on purpose, after coming back, it is a new one.
        content="";
        location.assign(next);
      }else if(errors&&errors[0]){
        wait(false);
        show(words.summary,errors.map(e=>[named(e.field).find(shown),own[e.code]||e.message]));
      }else fail();
    };
    // Firefox keeps a button disabled over a reload. (Where a theme lacks the parts, this throws: the browser's way.)
    wait(false);
    form.noValidate=true;
    on("submit",e=>{
      // The handler takes A-labels only. What cannot be in a domain would be read as a port or a path.
      all(mail).map(c=>{
        try{c.value=c.value.trim().replace(/@[^@\s/?#:\\%]+$/,d=>/\P{ASCII}/u.test(d)?"@"+new URL("http://x"+d).hostname:d);}catch{}
      });
      let faults=all(fields).filter(c=>named(c.name)[0]==c).map(c=>{
        let v=c.validity;
        return [c,v.valueMissing?words.required
          :c.type=="email"&&(v.typeMismatch||c.value&&!/@.+\../.test(c.value))?words.email
          :v.patternMismatch?words.pattern:c.validationMessage];
      }).filter(f=>f[1]);
      if(busy||faults[0]||attr("data-mg-form")!="plain")e.preventDefault();
      if(!busy){
        show(faults[0]?words.summary:"",faults);
        if(!e.defaultPrevented||faults[0])return;
        send();
      }
    });
    on("input",e=>{
      mark(e.target,"");
      summary.hidden=!find("[aria-invalid=true]");
    });
    // The back-forward cache keeps a page as it was left: sending.
    addEventListener("pageshow",e=>e.persisted&&wait(false));
    all(mail).map(c=>{
      let tip=tag("p","",{className:"help",role:"status"}),timer;
      ($(c.id+"-error")||c).after(tip);
      c.addEventListener("input",()=>{
        tip.replaceChildren();
        clearTimeout(timer);
        // While typing, not on leaving: what appears then moves the button away from under the press that left.
        timer=setTimeout(()=>{
          let [local,domain]=c.value.trim().split("@"),[name,end]=(domain||"").toLowerCase().split(/\.(.*)/),
          best=names.find(n=>n==name)||names.find(n=>near(n,name)),value=local+"@"+best+".com";
          if(best&&end&&near(end,"com")&&end+name!="com"+best&&!find("button:active"))tip.append(tag("button",words.suggest.replace("{value}",()=>value),{type:"button",className:"suggest",onclick(){
            c.value=value;
            tip.replaceChildren();
            mark(c,"");
            c.focus();
          }}));
        },500);
      });
    });
  }
  // A link to a form, or from a fault to its field, ends in the field: after the browser's scrolling, which takes the
  // focus away.
  addEventListener("click",e=>{
    let link=e.target.closest("a[href^='#form-'],[data-mg-summary] a"),place=link&&$(link.hash.slice(1)),
    field=place&&[place,...place.querySelectorAll(fields)].find(c=>c.matches(fields)&&shown(c));
    if(field)setTimeout(()=>field.focus());
  });
})();
