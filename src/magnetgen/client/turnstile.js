// Turnstile: Cloudflare's widget in the form answers by itself, or asks the visitor.
solvers.turnstile=form=>{
  let value=()=>form.querySelector("[name=_mg_turnstile]")?.value,sent,looking,
  me={
    ready:()=>value()&&value()!=sent,
    // A widget's answer is good for once: after that it is to ask anew. One that does not come at all (something keeps
    // the widget away) is waited for until the handler had better say so.
    start(){
      if(looking||me.ready())return;
      if(value())try{turnstile.reset(form.querySelector(".cf-turnstile"));}catch{}
      me.done=new Promise(then=>{
        // An answer that is sent between two looks has ended this search, too.
        let turns=0,was=sent,look=()=>{
          if(sent!=was)return then();
          looking=!me.ready()&&turns++<150;
          looking?setTimeout(look,100):then();
        };
        look();
      });
    },
    spent(){sent=value();looking=0;}
  };
  return me;
};
